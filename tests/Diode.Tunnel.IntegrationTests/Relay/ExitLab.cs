using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>
/// <code>
///  c1 192.0.2.1 ──┐
///                 ├── inet 203.0.113.80 (web) ── 198.51.100.1 relay 192.168.7.1 ── 192.168.7.2 lan (web)
///  c2 192.0.3.1 ──┘
/// </code>
/// The relay runs the real program; the clients run wireguard-go.
/// </summary>
internal sealed class ExitLab : IDisposable
{
    public const string Web = "203.0.113.80";
    public const string RelayAddress = "198.51.100.1";
    public const string LanWeb = "192.168.7.2";
    public const string RelayLan = "192.168.7.1";

    private const int RelayPort = 41046;
    private static int _count;

    private readonly List<Process> _processes = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-exit-").FullName;
    private Process? _relay;

    public ExitLab()
    {
        Relay.Connect("eth0", RelayAddress + "/24", Inet, "relay", "198.51.100.254/24");
        Relay.Connect("lan0", RelayLan + "/24", Lan, "eth0", LanWeb + "/24");
        Clients[0].Connect("eth0", "192.0.2.1/24", Inet, "c1", "192.0.2.254/24");
        Clients[1].Connect("eth0", "192.0.3.1/24", Inet, "c2", "192.0.3.254/24");
        Inet.AddAddress("lo", Web + "/32");
        Inet.Exec("sysctl -qw net.ipv4.ip_forward=1");
        Relay.Exec("sysctl -qw net.ipv4.ip_forward=0; ip route add default via 198.51.100.254");
        Lan.Exec("ip route add default via " + RelayLan);
        Clients[0].Exec("ip route add default via 192.0.2.254");
        Clients[1].Exec("ip route add default via 192.0.3.254");
        foreach (NetNamespace host in new[] { Inet, Lan })
        {
            Start(host, "python3", Path.Combine(AppContext.BaseDirectory, "Mesh", "services.py"), "web", "80");
        }
    }

    public NetNamespace Inet { get; } = new();

    public NetNamespace Lan { get; } = new();

    public NetNamespace Relay { get; } = new();

    public NetNamespace[] Clients { get; } = [new(), new()];

    public string StateFolder => Path.Combine(_folder, "relay");

    /// <summary>Starts the relay and waits until it accepts devices.</summary>
    public RelayUri StartRelay(params string[] options)
    {
        _relay = Start(
            Relay,
            "env",
            [
                "DOTNET_ROOT=" + Programs.DotnetRoot, Programs.Daemon, "relay", "--listen", $"{RelayAddress}:{RelayPort}",
                "--state-dir", StateFolder, .. options,
            ]);
        string? line = _relay.StandardOutput.ReadLine();
        return line is not null
            ? RelayUri.Parse(line)
            : throw new IOException("the relay did not start: " + _relay.StandardError.ReadToEnd());
    }

    public void StopRelay(string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, _relay!.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        Xunit.Assert.True(_relay.WaitForExit(TimeSpan.FromSeconds(20)), "the relay does not stop");
    }

    /// <summary>A device on a client's host.</summary>
    public async Task<RelayClient> ConnectAsync(int client, RelayUri relay)
    {
        Socket socket = Clients[client].Run(static () =>
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        return await RelayClient.ConnectAsync(relay, socket: socket);
    }

    /// <summary>Opens a session and starts wireguard-go with it; everything but the underlay goes through the tunnel.</summary>
    public async Task<WireGuardGoClient> TunnelAsync(int client, RelayClient device)
    {
        var tunnel = new WireGuardGoClient(this, client, string.Create(
            CultureInfo.InvariantCulture, $"x{Environment.ProcessId}n{Interlocked.Increment(ref _count)}"));
        await tunnel.OpenAsync(device);
        return tunnel;
    }

    public Process Start(NetNamespace host, string program, params string[] arguments)
    {
        Process process = host.Start(program, arguments);
        _processes.Add(process);
        return process;
    }

    public string NewFile(string content)
    {
        string file = Path.Combine(_folder, Path.GetRandomFileName());
        File.WriteAllText(file, content);
        return file;
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            if (!process.HasExited)
            {
                process.Kill();
                process.WaitForExit();
            }

            process.Dispose();
        }

        foreach (NetNamespace host in new[] { Inet, Lan, Relay, Clients[0], Clients[1] })
        {
            host.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>wireguard-go on a client's host.</summary>
internal sealed class WireGuardGoClient(ExitLab lab, int client, string name)
{
    private readonly NetNamespace _host = lab.Clients[client];
    private readonly string _privateKey = NetNamespace.Shell("wg genkey").Trim();
    private string _serverKey = "";
    private int _port;

    public JsonElement Session { get; private set; }

    public string Address => Session.GetProperty("client_address").GetString()![..^3];

    public async Task OpenAsync(RelayClient device)
    {
        byte[] publicKey = Convert.FromBase64String(NetNamespace.Shell($"echo {_privateKey} | wg pubkey").Trim());
        byte[] json = await device.AskAsync(session => session.OpenWireGuard(publicKey));
        Session = JsonDocument.Parse(json).RootElement;
        _serverKey = Session.GetProperty("server_public_key").GetString()!;
        _port = Session.GetProperty("listen_port").GetInt32();
        lab.Start(_host, "env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "-f", name);
        await WaitAsync("wireguard-go", () => _host.TryExec($"wg show {name}").ExitCode == 0);
        _host.Exec($"wg set {name} private-key {lab.NewFile(_privateKey)}");
        SetPeer();
        _host.AddAddress(name, Address + "/32");
        _host.Exec($"ip link set {name} mtu 1420 up; ip route add 198.51.100.1/32 via $(ip route show default | cut -d' ' -f3); "
            + $"ip route add 0.0.0.0/1 dev {name}; ip route add 128.0.0.0/1 dev {name}");
    }

    /// <summary>Begins anew with the same configuration, as after a restart of the client.</summary>
    public void SetPeer()
    {
        _host.TryExec($"wg set {name} peer {_serverKey} remove");
        _host.Exec($"wg set {name} peer {_serverKey} endpoint {Session.GetProperty("endpoint_host").GetString()}:{_port} "
            + "allowed-ips 0.0.0.0/0 persistent-keepalive 25");
    }

    /// <summary>What a web server says; empty when it cannot be reached.</summary>
    public string Get(string address, int port = 80, int seconds = 5) =>
        _host.TryExec($"curl -s --max-time {seconds} http://{address}:{port}/") is (0, string text) ? text : "";

    public bool Pings(string address) => _host.TryExec($"ping -n -q -c 2 -i 0.2 -W 1 {address}").ExitCode == 0;

    public static async Task WaitAsync(string what, Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Xunit.Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20), what);
            await Task.Delay(50);
        }
    }
}

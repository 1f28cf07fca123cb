using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.IntegrationTests.Relay;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>
/// Three relays that found each other, six devices that know two relays each, a plain wireguard-go client through the exit
/// of one relay; then that relay is killed while it carries a transfer.
/// </summary>
public sealed class FederationTests(ITestOutputHelper output)
{
    private const string Phone = "phone";
    private const string ExitRelay = "chicago";

    [Fact]
    public async Task Six_devices_on_three_relays_keep_their_connections_when_a_relay_dies()
    {
        using MeshWorld world = new() { Paths = "stream" };
        string[] more = world.AddRelays(["berlin", ExitRelay], ["--wireguard-listen", "51820", "--region", "us"]);
        string[] relays = [world.RelayUri, .. more];

        // Each device knows its own relay and the next; so every relay is the first of two.
        MeshDevice[] devices = new MeshDevice[6];
        for (int i = 0; i < devices.Length; i++)
        {
            devices[i] = world.AddDevice($"d{i}");
            devices[i].RelayUri = $"{relays[i % 3]},{relays[(i + 1) % 3]}";
        }

        world.Found(devices);
        await ExitAsync(world, RelayUri.Parse(more[1]));

        MeshDevice server = devices[2];
        server.Serve("web", "80");
        server.Check("publish", "80/tcp", "--to", "fleet");
        MeshDevice client = devices[5];
        const int Bytes = 24_000_000;
        string expected = client.Get($"http://{server.Ipv4}/sha/{Bytes}", 20)!;
        string file = Path.Combine(world.Net.Folder, "download");
        HostedProcess download = world.Net.Start(
            client.Name, "curl", "-s", "-m", "60", "--limit-rate", "3M", "-o", file, $"http://{server.Ipv4}/blob/{Bytes}");
        world.Net.WaitUntil("the transfer runs", TimeSpan.FromSeconds(10), () => File.Exists(file) && new FileInfo(file).Length > 3_000_000);
        string carrier = client.Peer(server).Path.Via!;
        output.WriteLine($"carried by {carrier}");
        Kill(world, carrier, relays);

        long killed = Stopwatch.GetTimestamp();
        long size = new FileInfo(file).Length;
        world.Net.WaitUntil("the transfer goes on", TimeSpan.FromSeconds(30), () => new FileInfo(file).Length > size + 500_000);
        output.WriteLine($"went on {Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s after the relay was killed");
        download.WaitForExit(TimeSpan.FromSeconds(60));
        Assert.Equal(0, download.ExitCode);
        Assert.Equal(expected.ToLowerInvariant(), client.Run("sha256sum", file).Output.Split(' ')[0]);

        // Everybody reaches everybody by the relays that are left.
        MeshWorld.WaitMeshed(devices);
        foreach (MeshDevice device in devices)
        {
            Assert.All(devices.Where(d => d != device), d => Assert.True(device.Pings(d.Ipv4, 2), $"{device.Name} to {d.Name}"));
        }
    }

    private static void Kill(MeshWorld world, string uri, string[] relays)
    {
        if (uri == relays[0])
        {
            world.KillRelay();
        }
        else
        {
            world.Stop(uri == relays[1] ? "berlin" : ExitRelay);
        }
    }

    // A host without our programs: wireguard-go with what the relay answered to `wireguard open`.
    private static async Task ExitAsync(MeshWorld world, RelayUri relay)
    {
        Topology net = world.Net;
        MeshDevice host = world.AddDevice(Phone);
        string secret = NetNamespace.Shell("wg genkey").Trim();
        byte[] key = Convert.FromBase64String(NetNamespace.Shell($"echo {secret} | wg pubkey").Trim());
        Socket? socket = null;
        NetNamespace.RunIn(net.Namespace(Phone), () =>
            socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        await using RelayClient device = await RelayClient.ConnectAsync(relay, socket: socket);
        JsonElement session = JsonDocument.Parse(await device.AskAsync(s => s.OpenWireGuard(key))).RootElement;

        string tun = "wgp" + Environment.ProcessId;
        net.Start(Phone, "env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "-f", tun);
        net.WaitUntil("wireguard-go", TimeSpan.FromSeconds(10), () => net.Run(Phone, "wg", "show", tun).ExitCode == 0);
        string file = Path.Combine(net.Folder, "phone.key");
        File.WriteAllText(file, secret);
        net.Check(
            Phone, "wg", "set", tun, "private-key", file, "peer", session.GetProperty("server_public_key").GetString()!,
            "endpoint", $"{session.GetProperty("endpoint_host").GetString()}:{session.GetProperty("listen_port").GetInt32()}",
            "allowed-ips", "0.0.0.0/0");
        net.AddAddress(Phone, tun, session.GetProperty("client_address").GetString()!);
        net.Check(Phone, "ip", "link", "set", tun, "mtu", "1420", "up");
        Assert.Equal(host.UplinkAddress, host.Get($"http://{MeshWorld.Web}/"));
        net.Check(Phone, "ip", "route", "add", MeshWorld.Web + "/32", "dev", tun);
        Assert.Equal(relay.Host, host.Get($"http://{MeshWorld.Web}/", 10));
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>
/// An "internet" with a relay and devices around it, all real programs:
/// <code>
///   relay 203.0.113.46 ─┐                     inet: router; web server on every address of its own, among them
///   device 198.51.100.2 ┼─ inet               203.0.113.1, 2001:db8::1 and the private ones of PrivateAddresses;
///   device 198.51.100.6 ┘                     name servers 203.0.113.53 (the devices') and 203.0.113.54 (the exits')
/// </code>
/// Everything is removed by <see cref="Dispose"/>.
/// </summary>
public sealed partial class MeshWorld : IDisposable
{
    public const string Web = "203.0.113.1";
    public const string WebIpv6 = "2001:db8::1";
    public const string WebName = "web.example";
    public const string RelayAddress = "203.0.113.46";
    public const string DeviceNameServer = "203.0.113.53";
    public const string ExitNameServer = "203.0.113.54";
    public const string Fleet = "home";
    private const string Internet = "inet";
    private const string Relay = "relay";

    /// <summary>Served by inet and reachable from every device: whoever is refused is refused by an exit.</summary>
    public static readonly string[] PrivateAddresses = ["10.9.9.9", "192.168.50.1", "172.16.7.7", "169.254.169.254"];

    private readonly List<MeshDevice> _devices = [];
    private readonly string[] _relayEnvironment;
    private HostedProcess? _relay;

    public MeshWorld()
        : this([])
    {
    }

    /// <summary>With something before the relay's command line, for instance <c>env NAME=value</c>.</summary>
    public MeshWorld(string[] relayEnvironment)
    {
        _relayEnvironment = relayEnvironment;
        try
        {
            Build();
        }
        catch
        {
            Net.Dispose();
            throw;
        }
    }

    internal Topology Net { get; } = new();

    internal HostedProcess InternetWeb { get; private set; } = null!;

    internal HostedProcess NamesForDevices { get; private set; } = null!;

    internal HostedProcess NamesForExits { get; private set; } = null!;

    /// <summary>What devices started from now on may use: <c>auto</c>, <c>relay</c> or <c>stream</c>.</summary>
    internal string Paths { get; init; } = "auto";

    /// <summary><c>diode://0x…@host:port</c> of the relay.</summary>
    internal string RelayUri { get; private set; } = "";

    /// <summary>Adds a host with a way to the internet; its daemon is not started.</summary>
    internal MeshDevice AddDevice(string name, bool ipv6 = false, string nameServer = DeviceNameServer)
    {
        int number = _devices.Count + 1;
        AddHost(name);
        string address = Invariant($"198.51.100.{(4 * number) + 2}");
        Net.Connect(name, "up0", address + "/30", Internet, name, Invariant($"198.51.100.{(4 * number) + 1}/30"));
        Net.Check(name, "ip", "route", "add", "default", "via", Invariant($"198.51.100.{(4 * number) + 1}"));
        if (ipv6)
        {
            Net.AddAddress(name, "up0", Invariant($"2001:db8:{number}::2/64"));
            Net.AddAddress(Internet, name, Invariant($"2001:db8:{number}::1/64"));
            Net.Check(name, "ip", "-6", "route", "add", "default", "via", Invariant($"2001:db8:{number}::1"));
        }

        File.WriteAllText($"/etc/netns/{Net.Namespace(name)}/resolv.conf", $"nameserver {nameServer}\n");
        MeshDevice device = new(this, name, address, Invariant($"2001:db8:{number}::2"));
        _devices.Add(device);
        return device;
    }

    internal void StartRelay(params string[] more)
    {
        _relay = Net.Start(
            Relay,
            [.. _relayEnvironment, Programs.Daemon, "relay", "--state-dir", Path.Combine(Net.Folder, "relay"), "--listen", RelayAddress + ":41046", .. more]);
        Net.WaitUntil("the relay prints its address", TimeSpan.FromSeconds(30), () => UriLine().IsMatch(_relay.Output));
        RelayUri = UriLine().Match(_relay.Output).Value.Trim();
    }

    internal void KillRelay()
    {
        _relay!.Signal("KILL");
        Net.WaitUntil("the relay is gone", TimeSpan.FromSeconds(5), () => _relay.HasExited);
    }

    /// <summary>Starts the devices, makes a fleet operated by the first one and has the others join it by file.</summary>
    internal void Found(params MeshDevice[] devices)
    {
        foreach (MeshDevice device in devices)
        {
            device.Launch();
        }

        foreach (MeshDevice device in devices)
        {
            device.WaitReady();
        }

        devices[0].Check("fleet", "create", Fleet, "--label", devices[0].Name);
        foreach (MeshDevice device in devices[1..])
        {
            devices[0].Check("fleet", "add", device.Address, device.Name);
        }

        foreach (MeshDevice device in devices[1..])
        {
            device.Check("fleet", "join", ExportManifest(devices[0]));
        }

        WaitMeshed(devices);
    }

    /// <summary>Waits until each of these devices has each other one online.</summary>
    internal static void WaitMeshed(params MeshDevice[] devices)
    {
        foreach (MeshDevice device in devices)
        {
            device.WaitStatus(
                "every peer is online",
                s => devices.Where(d => d != device).All(d => s.Peers.Any(p => p.Device == d.Address && p.Online && p.Path.Kind != PathKind.None)));
        }
    }

    /// <summary>Writes the manifest as a device holds it to a file.</summary>
    internal string ExportManifest(MeshDevice from)
    {
        string file = Path.Combine(Net.Folder, Path.GetRandomFileName() + ".json");
        from.Check("fleet", "export", Fleet, "-o", file);
        return file;
    }

    /// <summary>From now on inet counts what this device sends: all but to the relay and to other devices' paths, names, IPv6.</summary>
    internal void Watch(MeshDevice device)
    {
        string rules = $$"""
            table inet watch
            delete table inet watch
            table inet watch {
              counter clear { }
              counter names { }
              counter ipv6 { }
              chain pre {
                type filter hook prerouting priority -300; policy accept;
                iifname != "{{device.Name}}" accept
                udp dport { 53, 853 } counter name "names"
                tcp dport { 53, 853 } counter name "names"
                ip6 daddr != { fe80::/10, ff00::/8 } counter name "ipv6"
                ip6 daddr != { fe80::/10, ff00::/8 } counter name "clear"
                ip daddr {{RelayAddress}} tcp dport 41046 accept
                ip daddr {{RelayAddress}} meta l4proto udp accept
                udp sport 41042 udp dport 41042 accept
                udp dport { 1900, 5351 } accept
                ip version 4 counter name "clear"
              }
            }

            """;
        string file = Path.Combine(Net.Folder, "watch.nft");
        File.WriteAllText(file, rules);
        Net.Check(Internet, "nft", "-f", file);
    }

    /// <summary>Packets counted since <see cref="Watch"/>: "clear" (anything but the tunnel), "names" or "ipv6".</summary>
    internal int Counted(string counter)
    {
        string text = Net.Check(Internet, "nft", "list", "counter", "inet", "watch", counter);
        return int.Parse(PacketCount().Match(text).Groups[1].Value, CultureInfo.InvariantCulture);
    }

    /// <summary>Starts a service of services.py on a host and waits until it serves.</summary>
    internal HostedProcess Serve(string host, params string[] arguments)
    {
        HostedProcess process = Net.Start(
            host, ["/usr/bin/python3", Path.Combine(AppContext.BaseDirectory, "Mesh", "services.py"), .. arguments]);
        Net.WaitUntil($"{host} serves {string.Join(' ', arguments)}", TimeSpan.FromSeconds(15), () => process.Output.Contains("ready", StringComparison.Ordinal));
        return process;
    }

    public void Dispose() => Net.Dispose();

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private void Build()
    {
        AddHost(Internet);
        AddHost(Relay);
        Net.Check(Internet, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
        foreach (string address in PrivateAddresses.Select(static a => a + "/32").Append(Web + "/32").Append(WebIpv6 + "/128")
            .Append(DeviceNameServer + "/32").Append(ExitNameServer + "/32"))
        {
            Net.AddAddress(Internet, "lo", address);
        }

        Net.Connect(Relay, "up0", RelayAddress + "/30", Internet, Relay, "203.0.113.45/30");
        Net.Check(Relay, "ip", "route", "add", "default", "via", "203.0.113.45");
        InternetWeb = Serve(Internet, "web", "80");
        NamesForDevices = Serve(Internet, "dns", DeviceNameServer, $"{WebName}={Web}");
        NamesForExits = Serve(Internet, "dns", ExitNameServer, $"{WebName}={Web}");
        StartRelay();
    }

    // Without duplicate address detection addresses are usable at once and snapshots do not change by themselves.
    private void AddHost(string name)
    {
        Net.AddHost(name);
        Net.Check(name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0");
    }

    [GeneratedRegex(@"^diode://.*$", RegexOptions.Multiline)]
    private static partial Regex UriLine();

    [GeneratedRegex(@"packets (\d+)")]
    private static partial Regex PacketCount();
}

using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.WireGuard;

/// <summary>
/// <code>
///  ours ── 192.0.2.1 ───── veth ───── 192.0.2.2 ── theirs
///  wg   ── 10.9.0.1, fd09::1  tunnel  10.9.0.2, fd09::2 ── wg
/// </code>
/// "ours" runs diode-wg; "theirs" runs wireguard-go, or diode-wg too. Only the initiator knows the other's endpoint.
/// </summary>
internal sealed partial class WireGuardLink : IDisposable
{
    public const string OurIpv4 = "10.9.0.1";
    public const string TheirIpv4 = "10.9.0.2";
    public const string TheirIpv6 = "fd09::2";
    private const int Port = 51820;
    private const int Mtu = 1420;

    private static int _links;

    // wireguard-go's control socket is named after the interface and shared by all namespaces.
    private readonly string _device = string.Create(
        CultureInfo.InvariantCulture, $"w{Environment.ProcessId}x{Interlocked.Increment(ref _links)}");

    private readonly string _presharedKey;
    private readonly KeyPair _ourKey;
    private readonly KeyPair _theirKey;

    public WireGuardLink(bool weInitiate, bool bothOurs = false)
    {
        Net.AddHost("ours");
        Net.AddHost("theirs");
        Net.Connect("ours", "eth0", "192.0.2.1/24", "theirs", "eth0", "192.0.2.2/24");
        _ourKey = NewKey();
        _theirKey = NewKey();
        _presharedKey = Net.Check("ours", "wg", "genpsk").Trim();

        string ours = Configuration("ours", _ourKey, _theirKey, "10.9.0.2/32, fd09::2/128", weInitiate ? "192.0.2.2" : null);
        string theirs = Configuration("theirs", _theirKey, _ourKey, "10.9.0.1/32, fd09::1/128", weInitiate ? null : "192.0.2.1");
        Theirs = bothOurs ? StartOurs("theirs", theirs) : StartWireGuardGo(theirs);
        Ours = StartOurs("ours", ours);
        BringUp("ours", "10.9.0.1/24", "fd09::1/64");
        BringUp("theirs", "10.9.0.2/24", "fd09::2/64");
    }

    public Topology Net { get; } = new();

    public HostedProcess Ours { get; }

    public HostedProcess Theirs { get; }

    /// <summary>Handshakes our side completed, as it printed them.</summary>
    public int OurHandshakes => HandshakeLine().Count(Ours.Output);

    /// <summary>Time of the latest handshake in wireguard-go's own words, Unix seconds, 0 before the first.</summary>
    public long TheirLatestHandshake =>
        long.Parse(Net.Check("theirs", "wg", "show", _device, "latest-handshakes").Split('\t')[^1], CultureInfo.InvariantCulture);

    /// <summary>Sends echo requests; returns how many were not answered.</summary>
    public int Ping(string host, string target, int count, double interval = 0.1)
    {
        string output = Net.Run(host, "ping", "-n", "-q", "-W", "2", "-c", Text(count), "-i", Text(interval), target).Output;
        Match counts = PingCounts().Match(output);
        if (!counts.Success)
        {
            throw new InvalidOperationException($"ping {target} from {host}: {output}\n{Net.Logs()}");
        }

        return int.Parse(counts.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            - int.Parse(counts.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
    }

    public void Dispose() => Net.Dispose();

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private KeyPair NewKey()
    {
        string secret = Net.Check("ours", "wg", "genkey").Trim();
        string file = Path.Combine(Net.Folder, "key");
        File.WriteAllText(file, secret);
        return new KeyPair(secret, Net.Check("ours", "sh", "-c", $"wg pubkey < {file}").Trim());
    }

    private string Configuration(string host, KeyPair own, KeyPair peer, string allowedIps, string? endpoint)
    {
        string file = Path.Combine(Net.Folder, host + ".conf");
        File.WriteAllText(file, $"""
            [Interface]
            PrivateKey = {own.Private}
            ListenPort = {Port}

            [Peer]
            PublicKey = {peer.Public}
            PresharedKey = {_presharedKey}
            AllowedIPs = {allowedIps}
            {(endpoint is null ? "" : $"Endpoint = {endpoint}:{Port}")}

            """);
        return file;
    }

    private HostedProcess StartOurs(string host, string configuration)
    {
        HostedProcess process = Net.Start(
            host, Programs.WireGuardTool, "--config", configuration, "--interface", _device, "--mtu", Text(Mtu));
        Net.WaitUntil("diode-wg is ready", TimeSpan.FromSeconds(20), () => process.Output.Contains("ready", StringComparison.Ordinal));
        return process;
    }

    private HostedProcess StartWireGuardGo(string configuration)
    {
        HostedProcess process = Net.Start("theirs", "wireguard-go", "-f", _device);
        Net.WaitUntil(
            "wireguard-go's control socket",
            TimeSpan.FromSeconds(20),
            () => File.Exists($"/var/run/wireguard/{_device}.sock") && Net.Run("theirs", "wg", "show", _device).ExitCode == 0);
        Net.Check("theirs", "wg", "setconf", _device, configuration);
        return process;
    }

    private void BringUp(string host, string ipv4, string ipv6)
    {
        Net.AddAddress(host, _device, ipv4);
        Net.AddAddress(host, _device, ipv6);
        Net.Check(host, "ip", "link", "set", _device, "mtu", Text(Mtu), "up");
    }

    [GeneratedRegex(@"^handshake \d+ ", RegexOptions.Multiline)]
    private static partial Regex HandshakeLine();

    [GeneratedRegex(@"(\d+) packets transmitted, (\d+) received")]
    private static partial Regex PingCounts();

    private readonly record struct KeyPair(string Private, string Public);
}

using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>A host with <c>diode-tunneld run</c> on it, driven through <c>diode-tunnel</c>.</summary>
internal sealed partial class MeshDevice(MeshWorld world, string name, string uplinkAddress, string uplinkIpv6)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(30);
    private Identity? _identity;

    public string Name { get; } = name;

    /// <summary>Address on the internet, without the tunnel.</summary>
    public string UplinkAddress { get; } = uplinkAddress;

    public string UplinkIpv6 { get; } = uplinkIpv6;

    public string StateFolder { get; } = Path.Combine(world.Net.Folder, name);

    public string Socket { get; } = Path.Combine(world.Net.Folder, name + ".sock");

    public string ResolverFile => $"/etc/netns/{world.Net.Namespace(Name)}/resolv.conf";

    /// <summary>Another relay than the world's.</summary>
    public string? RelayUri { get; set; }

    /// <summary>The host of its NAT; null if it has none.</summary>
    public string? Router { get; init; }

    /// <summary>Put before the daemon's command line, for instance <c>env NAME=value</c>.</summary>
    public string[] Environment { get; set; } = [];

    /// <summary>More options of the daemon.</summary>
    public string[] Options { get; set; } = [];

    public HostedProcess? Daemon { get; private set; }

    /// <summary>Device address 0x….</summary>
    public string Address => Identity.Device;

    public string Ipv4 => Identity.VirtualIpv4!;

    public string Ipv6 => Identity.VirtualIpv6!;

    private Identity Identity => _identity ??= Json("whoami", ControlJson.Default.Identity);

    /// <summary>The command line of the daemon, or of another one with its own folder, socket or adapter.</summary>
    public string[] RunCommand(string? stateFolder = null, string? socket = null, string adapter = "diode0") =>
        [.. Environment, Programs.Daemon, "run", "--state-dir", stateFolder ?? StateFolder, "--socket", socket ?? Socket, "--interface", adapter,
            "--relays", RelayUri ?? world.RelayUri, "--paths", world.Paths, .. Options];

    /// <summary>Starts the daemon without waiting.</summary>
    public void Launch() => Daemon = world.Net.Start(Name, RunCommand());

    /// <summary>Waits until the daemon is connected to its relay.</summary>
    public void WaitReady() => WaitStatus("connected to the relay", s => s.Relays.Any(r => r.State == RelayState.Connected));

    public void Start()
    {
        Launch();
        WaitReady();
    }

    /// <summary>SIGKILL: no clean-up by the daemon.</summary>
    public void Kill()
    {
        Daemon!.Signal("KILL");
        Daemon.WaitForExit(TimeSpan.FromSeconds(5));
    }

    /// <summary>SIGTERM, and the end in order.</summary>
    public void Stop()
    {
        Daemon!.Signal("TERM");
        Daemon.WaitForExit(TimeSpan.FromSeconds(20));
    }

    /// <summary>Runs the CLI.</summary>
    public CommandResult Cli(params string[] arguments) =>
        Run(["env", "DOTNET_ROOT=" + Programs.DotnetRoot, Programs.Cli, "--socket", Socket, .. arguments]);

    /// <summary>Runs the CLI; its failure fails the test.</summary>
    public string Check(params string[] arguments)
    {
        CommandResult result = Cli(arguments);
        Assert.True(result.ExitCode == 0, $"{Name}: diode-tunnel {string.Join(' ', arguments)} ended with {result.ExitCode}:\n{result.Output}\n{world.Net.Logs()}");
        return result.Output;
    }

    /// <summary>Runs a verb with <c>--json</c>.</summary>
    public T Json<T>(string verb, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(Check([.. verb.Split(' '), "--json"]), type)!;

    public DaemonStatus Status() => Json("status", ControlJson.Default.DaemonStatus);

    /// <summary>The control API itself: quicker than the command line where there is much to ask.</summary>
    public ControlClient Control() => new(new ControlEndpoint(Socket));

    /// <summary>Echoes in the background, for traffic.</summary>
    public HostedProcess PingSteadily(string target, double seconds = 0.2) => world.Net.Start(
        Name, "ping", "-n", "-i", seconds.ToString(System.Globalization.CultureInfo.InvariantCulture), target);

    public PeerStatus Peer(MeshDevice other) =>
        Status().Peers.FirstOrDefault(p => p.Device == other.Address)
            ?? throw new InvalidOperationException($"{Name} does not list {other.Name}.");

    /// <summary>Polls the status until it is as expected; returns how long that took.</summary>
    public TimeSpan WaitStatus(string what, Func<DaemonStatus, bool> condition, TimeSpan? limit = null)
    {
        long started = Stopwatch.GetTimestamp();
        string last = "";
        while (true)
        {
            CommandResult result = Cli("status", "--json");
            last = result.Output;
            if (result.ExitCode == 0 && condition(JsonSerializer.Deserialize(result.Output, ControlJson.Default.DaemonStatus)!))
            {
                return Stopwatch.GetElapsedTime(started);
            }

            if (Stopwatch.GetElapsedTime(started) > (limit ?? DefaultLimit) || Daemon is { HasExited: true })
            {
                throw new TimeoutException($"{Name}: waited in vain: {what}\n{last}\n{world.Net.Logs()}");
            }

            Thread.Sleep(PollInterval);
        }
    }

    /// <summary>Runs a command on this host.</summary>
    public CommandResult Run(params string[] command) => world.Net.Run(Name, command);

    /// <summary>The body a URL answers with, or null (refused, timed out).</summary>
    public string? Get(string url, double seconds = 4)
    {
        CommandResult result = Run("curl", "-s", "-g", "-m", seconds.ToString(System.Globalization.CultureInfo.InvariantCulture), url);
        return result.ExitCode == 0 ? result.Output : null;
    }

    /// <summary>Whether one of a few echoes comes back.</summary>
    public bool Pings(string target, int count = 3) =>
        Run("ping", "-n", "-c", count.ToString(System.Globalization.CultureInfo.InvariantCulture), "-i", "0.2", "-W", "2", target).ExitCode == 0;

    /// <summary>What the machine's resolver says.</summary>
    public string Resolve(string hostName) => Run("getent", "hosts", hostName).Output.Trim();

    /// <summary>A service of services.py on this host.</summary>
    public HostedProcess Serve(params string[] arguments) => world.Serve(Name, arguments);

    /// <summary>
    /// Everything of this host that the daemon may change. Link-local addresses, which the kernel rolls, are masked, and lines are
    /// sorted, because the kernel lists routes by those addresses.
    /// </summary>
    public string Snapshot() => Sections();

    private string Sections() => string.Join(
        "\n",
        Section("ip", "-brief", "link"),
        Section("ip", "-brief", "address"),
        Section("ip", "rule"),
        Section("ip", "-6", "rule"),
        Section("ip", "route", "show", "table", "all"),
        Section("ip", "-6", "route", "show", "table", "all"),
        Section("nft", "list", "tables"),
        Section("sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.up0.rp_filter"),
        "resolv.conf:\n" + File.ReadAllText(ResolverFile));

    /// <summary>Fails unless the host is exactly as it was.</summary>
    public void AssertAsBefore(string before) => Assert.Equal(before, Snapshot());

    private string Section(params string[] command)
    {
        string[] lines = LinkLocal().Replace(Run(command).Output, "fe80::x").Split('\n');
        Array.Sort(lines, StringComparer.Ordinal);
        return $"{string.Join(' ', command)}:\n{string.Join('\n', lines)}";
    }

    [GeneratedRegex("fe80::[0-9a-f:]+")]
    private static partial Regex LinkLocal();
}

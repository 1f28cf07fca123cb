using System.Diagnostics;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Fail closed: whatever dies while an exit is wanted, the internet never sees the laptop's own address.</summary>
public sealed class ExitFailureTests(ITestOutputHelper output) : IDisposable
{
    private const string Url = $"http://{MeshWorld.Web}/";
    private static readonly TimeSpan Takeover = TimeSpan.FromSeconds(25);

    private readonly MeshWorld _world = new() { Paths = "stream" };

    [Fact]
    public void Killed_exits_block_or_are_replaced_and_never_open()
    {
        MeshDevice laptop = _world.AddDevice("laptop", ipv6: true);
        MeshDevice first = _world.AddDevice("exit1", nameServer: MeshWorld.ExitNameServer);
        MeshDevice second = _world.AddDevice("exit2", nameServer: MeshWorld.ExitNameServer);
        _world.Found(laptop, first, second);
        Offer(laptop, first, 1);
        laptop.Check("exit", "use", "de");
        Assert.Equal(first.UplinkAddress, laptop.Get(Url));
        _world.Watch(laptop);

        // The only exit dies: blocked, said so, and nothing leaves.
        first.Kill();
        for (int i = 0; i < 10; i++)
        {
            Assert.Null(laptop.Get(Url, 0.7));
        }

        laptop.WaitStatus("blocked", s => s.State == DaemonState.Blocked && s.Exit.State == ExitState.Blocked, TimeSpan.FromSeconds(15));
        Assert.False(string.IsNullOrEmpty(laptop.Status().StateReason));
        Assert.Equal("", laptop.Resolve(MeshWorld.WebName));
        Assert.Equal(0, _world.Counted("clear"));

        // It comes back: used again without a command.
        first.Start();
        long started = Stopwatch.GetTimestamp();
        _world.Net.WaitUntil("the exit is used again", Takeover, () => Seen(laptop) == first.UplinkAddress);
        output.WriteLine($"resumed {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s after the exit was connected again");

        // Of two in a region one dies: the other takes over.
        Offer(laptop, second, 2);
        MeshDevice used = laptop.Status().Exit.InUse == first.Address ? first : second;
        MeshDevice other = used == first ? second : first;
        used.Kill();
        started = Stopwatch.GetTimestamp();
        _world.Net.WaitUntil("the other exit takes over", Takeover, () =>
        {
            string? seen = Seen(laptop);
            Assert.True(seen is null || seen == other.UplinkAddress || seen == used.UplinkAddress, seen);
            return seen == other.UplinkAddress;
        });
        output.WriteLine($"failover took {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
        Assert.Equal(other.Address, laptop.Status().Exit.InUse);
        Assert.Equal(0, _world.Counted("clear"));

        // The relay dies: nobody is reachable, and nothing opens.
        _world.KillRelay();
        for (int i = 0; i < 5; i++)
        {
            Assert.NotEqual(laptop.UplinkAddress, laptop.Get(Url, 0.7));
        }

        Assert.Equal(0, _world.Counted("clear"));
        laptop.Check("exit", "off");
        Assert.Equal(laptop.UplinkAddress, laptop.Get(Url));
    }

    [Fact]
    public void Killed_client_leaks_nothing_and_resumes_and_reset_opens_it()
    {
        MeshDevice laptop = _world.AddDevice("laptop", ipv6: true);
        MeshDevice exit = _world.AddDevice("exit", nameServer: MeshWorld.ExitNameServer);
        string before = laptop.Snapshot();
        _world.Found(laptop, exit);
        Offer(laptop, exit, 1);
        laptop.Check("exit", "use", "de");
        Assert.Equal(exit.UplinkAddress, laptop.Get(Url));
        _world.Watch(laptop);

        // Nobody is left to care for the kill switch, and it holds: by IPv4, IPv6 and DNS.
        laptop.Kill();
        for (int i = 0; i < 3; i++)
        {
            Assert.Null(laptop.Get(Url, 0.7));
            Assert.Null(laptop.Get($"http://[{MeshWorld.WebIpv6}]/", 0.7));
            laptop.Run("dig", "+time=1", "+tries=1", $"@{MeshWorld.DeviceNameServer}", MeshWorld.WebName);
        }

        Assert.Equal(0, _world.Counted("clear"));

        // Started again it goes on with the exit, without a packet in the clear before.
        laptop.Start();
        long started = Stopwatch.GetTimestamp();
        _world.Net.WaitUntil("the exit is used again", Takeover, () => Seen(laptop) == exit.UplinkAddress);
        output.WriteLine($"resumed {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s after the relay was connected");
        Assert.Equal(ExitState.Connected, laptop.Status().Exit.State);
        Assert.Equal(0, _world.Counted("clear"));
        Assert.Equal(0, _world.Counted("names"));

        // Dead again; the user wants the network back.
        laptop.Kill();
        CommandResult reset = laptop.Run("env", "DOTNET_ROOT=" + Programs.DotnetRoot, Programs.Daemon, "reset", "--state-dir", laptop.StateFolder);
        Assert.True(reset.ExitCode == 0, reset.Output);
        Assert.Contains("changes undone, 0 left", reset.Output, StringComparison.Ordinal);
        laptop.AssertAsBefore(before);
        Assert.Equal(laptop.UplinkAddress, laptop.Get(Url));
        Assert.Equal(laptop.UplinkIpv6, laptop.Get($"http://[{MeshWorld.WebIpv6}]/"));
        Assert.StartsWith(MeshWorld.Web, laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);

        // The exit too leaves no trace.
        exit.Stop();
        Assert.DoesNotContain("diode", exit.Snapshot(), StringComparison.Ordinal);
    }

    public void Dispose() => _world.Dispose();

    private static void Offer(MeshDevice laptop, MeshDevice exit, int offers)
    {
        exit.Check("exit", "offer", "--region", "de");
        laptop.WaitStatus("the offer is known", s => s.Exit.Offers.Count(o => o.Online) == offers);
    }

    private static string? Seen(MeshDevice laptop) => laptop.Get(Url, 1);
}

using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.Hosting;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Coming, going and dying leave the machine as it was; a second daemon and a bare machine get a clear answer.</summary>
public sealed class LifecycleTests(LifecycleTests.World world) : IClassFixture<LifecycleTests.World>
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(15);

    private MeshDevice Laptop => world.Laptop;

    [Fact]
    public void Down_takes_everything_back_and_up_is_idempotent()
    {
        world.EnsureRuns();
        string up = Laptop.Snapshot();
        Assert.NotEqual(world.Before, up);
        Laptop.Check("down");
        Laptop.AssertAsBefore(world.Before);
        Assert.Equal(DaemonState.Down, Laptop.Status().State);
        Laptop.Check("down");
        Laptop.Check("up");
        Laptop.Check("up");
        Laptop.AssertAsBefore(up);
        Laptop.WaitReady();
    }

    [Fact]
    public void Down_is_remembered_over_a_restart()
    {
        world.EnsureRuns();
        Laptop.Check("down");
        Laptop.Stop();
        Laptop.Launch();
        Laptop.WaitStatus("the daemon answers and is down", s => s.State == DaemonState.Down);
        Laptop.AssertAsBefore(world.Before);
        Laptop.Check("up");
        Laptop.WaitReady();
    }

    [Fact]
    public void Sigterm_takes_everything_back()
    {
        world.EnsureRuns();
        Laptop.Stop();
        Laptop.AssertAsBefore(world.Before);
        Assert.False(File.Exists(Laptop.Socket));
    }

    [Fact]
    public void Kill_is_recovered_from_by_restart_and_by_reset()
    {
        world.EnsureRuns();
        string up = Laptop.Snapshot();
        Laptop.Kill();
        Assert.NotEqual(world.Before, Laptop.Snapshot());
        Laptop.Start();
        Laptop.AssertAsBefore(up);

        CommandResult running = Reset();
        Assert.Equal(DaemonExitCodes.Unavailable, running.ExitCode);
        Assert.Contains("a daemon is running", running.Output, StringComparison.Ordinal);
        Laptop.AssertAsBefore(up);

        Laptop.Kill();
        Assert.Equal(0, Reset().ExitCode);
        Laptop.AssertAsBefore(world.Before);
        Assert.Equal(0, Reset().ExitCode);
    }

    [Fact]
    public void Second_daemon_is_refused_and_harms_nothing()
    {
        world.EnsureRuns();
        string up = Laptop.Snapshot();
        string otherSocket = Path.Combine(world.Net.Net.Folder, "other.sock");
        string otherFolder = Path.Combine(world.Net.Net.Folder, "other");
        (int code, string text) = Run(Laptop.RunCommand(socket: otherSocket, adapter: "diode9"));
        Assert.NotEqual(0, code);
        Assert.Contains("in use", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Fault in the program", text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);

        (code, text) = Run(Laptop.RunCommand(otherFolder, adapter: "diode9"));
        Assert.Equal(DaemonExitCodes.Unavailable, code);
        Assert.Contains(Laptop.Socket, text, StringComparison.Ordinal);
        Assert.Contains("systemctl stop diode-tunneld", text, StringComparison.Ordinal);
        Laptop.AssertAsBefore(up);
        Assert.Equal(DaemonState.Up, Laptop.Status().State);
    }

    [Fact]
    public void Taken_adapter_name_is_said_and_changes_nothing()
    {
        MeshDevice other = world.Net.AddDevice("taken");
        world.Net.Net.Check("taken", "ip", "link", "add", "diode0", "type", "bridge");
        AssertCannotComeUp(other, [], "diode0");
    }

    [Fact]
    public void Machine_without_tun_says_so_and_changes_nothing()
    {
        MeshDevice other = world.Net.AddDevice("notun");
        AssertCannotComeUp(other, ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"], "/dev/net/tun");
    }

    [Fact]
    public void Without_root_the_daemon_says_so()
    {
        string before = Laptop.Snapshot();
        DirectoryInfo writable = Directory.CreateTempSubdirectory("dtt-anybody-");
        try
        {
            // It could make its folder and its socket there.
            writable.UnixFileMode |= UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
            (int code, string text) = Run(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                    .. Laptop.RunCommand(Path.Combine(writable.FullName, "state"), Path.Combine(writable.FullName, "socket"))]);
            Assert.Equal(DaemonExitCodes.NotPrivileged, code);
            Assert.Contains("sudo", text, StringComparison.Ordinal);
            Assert.Empty(writable.EnumerateFileSystemInfos());
        }
        finally
        {
            writable.Delete(recursive: true);
        }

        Laptop.AssertAsBefore(before);
    }

    [Fact]
    public void Taken_relay_port_is_said()
    {
        using HostedProcess relay = world.Net.Net.Start(
            "relay", Programs.Daemon, "relay", "--state-dir", Path.Combine(world.Net.Net.Folder, "relay2"), "--listen", MeshWorld.RelayAddress + ":41046");
        string text = relay.WaitForExit(EndLimit);
        Assert.NotEqual(0, relay.ExitCode);
        Assert.Contains("41046", text, StringComparison.Ordinal);
        Assert.Contains("in use", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Fault in the program", text, StringComparison.Ordinal);
        Assert.DoesNotContain("diode://", text, StringComparison.Ordinal);
    }

    private void AssertCannotComeUp(MeshDevice device, string[] prefix, string cause)
    {
        string before = device.Snapshot();
        using HostedProcess daemon = world.Net.Net.Start(device.Name, [.. prefix, .. device.RunCommand()]);
        device.WaitStatus("the daemon answers with an error state", s => s.State == DaemonState.Error);
        DaemonStatus status = device.Status();
        Assert.Contains(cause, status.StateReason, StringComparison.Ordinal);
        HealthWarning health = Assert.Single(status.Health, h => h.Code == "DOWN");
        Assert.False(string.IsNullOrEmpty(health.Fix));
        CommandResult up = device.Cli("up");
        Assert.NotEqual(0, up.ExitCode);
        Assert.Contains(cause, up.Output, StringComparison.Ordinal);
        device.AssertAsBefore(before);
    }

    private CommandResult Reset() =>
        Laptop.Run("env", "DOTNET_ROOT=" + Programs.DotnetRoot, Programs.Daemon, "reset", "--state-dir", Laptop.StateFolder);

    private (int Code, string Text) Run(string[] command)
    {
        using HostedProcess process = world.Net.Net.Start(Laptop.Name, command);
        string text = process.WaitForExit(EndLimit);
        return (process.ExitCode, text);
    }

    /// <summary>A relay and one device; the tests stop and start it.</summary>
    public sealed class World : IDisposable
    {
        public World()
        {
            try
            {
                Laptop = Net.AddDevice("laptop", ipv6: true);
                Before = Laptop.Snapshot();
            }
            catch
            {
                Net.Dispose();
                throw;
            }
        }

        internal MeshWorld Net { get; } = new();

        internal MeshDevice Laptop { get; }

        /// <summary>The laptop's system before the daemon ever ran.</summary>
        internal string Before { get; }

        public void Dispose() => Net.Dispose();

        internal void EnsureRuns()
        {
            if (Laptop.Daemon is null or { HasExited: true })
            {
                Laptop.Start();
            }
            else
            {
                Laptop.Check("up");
                Laptop.WaitReady();
            }
        }
    }
}

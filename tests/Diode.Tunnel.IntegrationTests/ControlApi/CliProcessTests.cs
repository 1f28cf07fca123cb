using System.Diagnostics;
using Diode.Tunnel.Cli;
using Diode.Tunnel.Daemon.ControlApi;
using Diode.Tunnel.Daemon.Hosting;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.ControlApi;

/// <summary>The real programs as processes: exit codes, output, and what a user without rights gets.</summary>
public sealed class CliProcessTests
{
    private const string Nobody = "65534";

    [Fact]
    public async Task User_without_rights_may_look_but_not_change()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        CliResult look = await AsNobodyAsync(api, "status", "--check", "ready");
        Assert.Equal((0, "ready\n"), (look.ExitCode, look.Output));
        CliResult whoami = await AsNobodyAsync(api, "whoami");
        Assert.Contains("access    read-only", whoami.Output, StringComparison.Ordinal);
        CliResult change = await AsNobodyAsync(api, "exit", "use", "de");
        Assert.Equal(CliExitCodes.PrivilegeRequired, change.ExitCode);
        Assert.Contains("  sudo diode-tunnel exit use de", change.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(api.Backend.Calls, call => call.StartsWith("use", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Operator_may_change()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync(new AccessPolicy(4242, 65534));
        Assert.Equal(0, (await AsNobodyAsync(api, "up")).ExitCode);
        Assert.Equal(["up"], api.Backend.Calls);
    }

    [Fact]
    public async Task Missing_daemon_is_said_in_two_lines()
    {
        CliResult result = await RunAsync(Cli, ["status", "--socket", "/run/there-is-no-such.sock"]);
        Assert.Equal(CliExitCodes.DaemonNotRunning, result.ExitCode);
        Assert.StartsWith(
            "diode-tunnel: The daemon is not running.\n  Start it: sudo systemctl start diode-tunneld", result.Error, StringComparison.Ordinal);
        Assert.Equal(2, result.Error.Count(c => c == '\n'));
    }

    [Theory]
    [InlineData(DaemonExitCodes.Usage, "Unknown argument '--mtuu'", "run", "--mtuu", "1")]
    [InlineData(DaemonExitCodes.Usage, "Unknown verb 'walk'", "walk")]
    [InlineData(DaemonExitCodes.Usage, "'5' is not a number", "run", "--mtu", "5")]
    [InlineData(DaemonExitCodes.Configuration, "Cannot read the configuration /nowhere.json", "run", "--config", "/nowhere.json")]
    public async Task Daemon_refuses_bad_settings_in_two_lines(int exitCode, string message, params string[] arguments)
    {
        CliResult result = await RunAsync(Daemon, arguments);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Equal(2, result.Error.Count(c => c == '\n'));
    }

    private static string Cli => Path.Combine(AppContext.BaseDirectory, "diode-tunnel");

    private static string Daemon => Path.Combine(AppContext.BaseDirectory, "diode-tunneld");

    private static async Task<CliResult> AsNobodyAsync(ControlApiFixture api, params string[] arguments) => await RunAsync(
        "setpriv",
        ["--reuid", Nobody, "--regid", Nobody, "--clear-groups", "--", Cli, .. arguments, "--socket", api.Options.SocketPath]);

    private static async Task<CliResult> RunAsync(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = "/tmp";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        return new CliResult(process.ExitCode, output, await error);
    }
}

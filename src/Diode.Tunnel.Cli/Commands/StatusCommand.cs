using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>status</c>: everything at a glance, once, as it changes, or as a yes or no.</summary>
internal static class StatusCommand
{
    private const string Live = "live";
    private const string Ready = "ready";
    private const string ClearScreen = "\u001b[H\u001b[2J\u001b[3J";

    internal static Command Create(CliShell shell)
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Show it again after every change." };
        var check = new Option<string?>("--check")
        {
            Description = "Only the exit code: live = the daemon answers, ready = the tunnel is up (0 yes, 7 no).",
            HelpName = "live|ready",
        };
        check.AcceptOnlyFromAmong(Live, Ready);
        var command = new Command("status", "Show state, relays, fleets, peers with their paths, exit and health.") { watch, check };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            if (parsed.GetValue(check) is string wanted)
            {
                return await CheckAsync(run, wanted, cancellationToken);
            }

            if (parsed.GetValue(watch))
            {
                return await WatchAsync(run, cancellationToken);
            }

            DaemonStatus status = await run.Client.GetStatusAsync(cancellationToken);
            run.Show(status, json => json.DaemonStatus, _ => Write(status, run));
            return CliExitCodes.Ok;
        });
    }

    private static async Task<int> CheckAsync(CliRun run, string wanted, CancellationToken cancellationToken)
    {
        DaemonStatus status = await run.Client.GetStatusAsync(cancellationToken);
        bool good = wanted == Live || status.State == DaemonState.Up;
        run.Show(status, json => json.DaemonStatus, writer =>
        {
            string reason = status.StateReason is null ? "" : ": " + SafeText.Of(status.StateReason);
            writer.WriteLine(good ? wanted : $"not ready, {Format.Word(status.State)}{reason}");
        });
        return good ? CliExitCodes.Ok : CliExitCodes.Negative;
    }

    private static async Task<int> WatchAsync(CliRun run, CancellationToken cancellationToken)
    {
        await foreach (ControlEvent change in run.Client.WatchAsync(cancellationToken))
        {
            if (run.Json)
            {
                run.ShowLine(change, ControlJson.Default.ControlEvent);
            }
            else if (change.Status is DaemonStatus status)
            {
                await run.Out.WriteAsync(run.Terminal.IsInteractive ? ClearScreen : "");
                Write(status, run);
                await run.Out.WriteLineAsync();
            }

            await run.Out.FlushAsync(cancellationToken);
        }

        throw new ControlException(
            ControlErrorCodes.DaemonNotRunning, "The daemon stopped.", "Start it: sudo systemctl start diode-tunneld", 503);
    }

    private static void Write(DaemonStatus status, CliRun run) =>
        StatusText.Write(status, run.Terminal, TimeProvider.System.GetUtcNow());
}

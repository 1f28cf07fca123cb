using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Diode.Tunnel.Control;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>reset</c>: undoes every change to the system, through the daemon or, if that is dead, without it.</summary>
internal static class ResetCommand
{
    private const string Daemon = "diode-tunneld";

    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("reset", "Undo every change to routes, DNS and firewall; works with the daemon dead too."),
        async (_, run, cancellationToken) =>
        {
            try
            {
                return run.Done(await run.Client.ResetAsync(cancellationToken));
            }
            catch (ControlException e) when (e.Code == ControlErrorCodes.DaemonNotRunning)
            {
                return await WithoutDaemonAsync(run, cancellationToken);
            }
        });

    private static async Task<int> WithoutDaemonAsync(CliRun run, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new ControlException(
                ControlErrorCodes.PrivilegeRequired, "The daemon is not running, and undoing its changes needs root.");
        }

        string program = FindDaemon() ?? throw new ControlException(
            ControlErrorCodes.NotFound,
            $"The daemon is not running and {Daemon} is neither beside this program nor in PATH.",
            $"Install it, or run it from where it is: sudo /path/to/{Daemon} reset",
            404);
        await run.Terminal.Error.WriteLineAsync($"The daemon is not running; using {program} reset");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("reset");
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
            await run.Out.WriteAsync(await process.StandardOutput.ReadToEndAsync(cancellationToken));
            await run.Terminal.Error.WriteAsync(await errors);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? CliExitCodes.Ok : CliExitCodes.Failed;
        }
        catch (Win32Exception e)
        {
            throw new ControlException(
                ControlErrorCodes.System, $"Cannot run {program}.", "Check that it is executable.", 500, e);
        }
    }

    /// <summary>Beside this program, where the packages put both; else in PATH.</summary>
    internal static string? FindDaemon()
    {
        string file = OperatingSystem.IsWindows() ? Daemon + ".exe" : Daemon;
        string? own = Path.GetDirectoryName(Environment.ProcessPath);
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathFullyQualified);
        return (own is null ? folders : folders.Prepend(own))
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(File.Exists);
    }
}

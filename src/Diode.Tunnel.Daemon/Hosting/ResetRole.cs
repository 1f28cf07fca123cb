using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary><c>diode-tunneld reset</c>: takes back every journalled system change with the daemon dead.</summary>
internal static class ResetRole
{
    /// <summary>Takes everything back and says what was done; returns the exit code.</summary>
    /// <exception cref="StartupException">Not root, or a daemon is running.</exception>
    internal static int Run(DaemonOptions options, TextWriter output)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new StartupException(
                DaemonExitCodes.NotPrivileged, "Undoing system changes needs root.", "sudo diode-tunneld reset");
        }

        if (!File.Exists(options.JournalPath))
        {
            output.WriteLine($"Nothing to undo: {options.JournalPath} is not there.");
            return DaemonExitCodes.Ok;
        }

        using SystemChanges changes = Open(options.JournalPath);
        IReadOnlyList<RecoveredChange> outcomes = changes.Recover();
        foreach (RecoveredChange outcome in outcomes)
        {
            output.WriteLine(Describe(outcome));
        }

        int open = outcomes.Count(outcome => outcome.Outcome is RecoveryOutcome.Failed or RecoveryOutcome.Unknown);
        output.WriteLine($"{outcomes.Count - open} changes undone, {open} left.");
        return open == 0 ? DaemonExitCodes.Ok : DaemonExitCodes.System;
    }

    private static SystemChanges Open(string journalPath)
    {
        try
        {
            return SystemChanges.Open(journalPath);
        }
        catch (PlatformException e)
        {
            throw new StartupException(
                DaemonExitCodes.Unavailable,
                "The journal of system changes is in use: a daemon is running.",
                "Reset it through the daemon: sudo diode-tunnel reset; or stop it first: sudo systemctl stop diode-tunneld",
                e);
        }
    }

    private static string Describe(RecoveredChange outcome)
    {
        string what = $"{outcome.Scope}: {outcome.Change?.ToString() ?? outcome.Kind}";
        return outcome.Outcome switch
        {
            RecoveryOutcome.Undone => $"undone   {what}",
            RecoveryOutcome.Failed => $"FAILED   {what}: {outcome.Error}",
            RecoveryOutcome.Unknown => $"left     {what}: written by a newer version",
            _ => $"kept     {what}",
        };
    }
}

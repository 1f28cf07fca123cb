using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Tests.Platform.Network;

/// <summary>A system that is a set of values, with a log of what was done to it.</summary>
internal sealed class RecordingExecutor : ISystemChangeExecutor
{
    internal Dictionary<string, string> System { get; } = [];

    internal List<string> Log { get; } = [];

    internal Func<SystemChange, bool> RefusesApply { get; set; } = _ => false;

    internal Func<SystemChange, bool> RefusesUndo { get; set; } = _ => false;

    internal Action<SystemChange> OnApply { get; set; } = _ => { };

    public string? Capture(SystemChange change) => System.GetValueOrDefault(change.Identity);

    public void Apply(SystemChange change, string? before)
    {
        OnApply(change);
        Log.Add("apply " + Text(change));
        if (RefusesApply(change))
        {
            throw new PlatformException("refused", 1);
        }

        System[change.Identity] = change.ToString();
    }

    public void Undo(SystemChange change, string? before)
    {
        Log.Add("undo " + Text(change));
        if (RefusesUndo(change))
        {
            throw new PlatformException("refused to undo", 16);
        }

        if (before is null)
        {
            System.Remove(change.Identity);
        }
        else
        {
            System[change.Identity] = before;
        }
    }

    private static string Text(SystemChange change) => change is SysctlChange sysctl ? $"{sysctl.Key}={sysctl.Value}" : change.Identity;
}

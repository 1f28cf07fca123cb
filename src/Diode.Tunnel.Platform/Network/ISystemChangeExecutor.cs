namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Makes changes to one kind of operating system. Called by <see cref="SystemChanges"/> under its lock, never in
/// parallel. A fake takes its place in tests.
/// </summary>
public interface ISystemChangeExecutor
{
    /// <summary>
    /// Reads what <see cref="Undo"/> needs to know about the state before the change: an opaque text that goes into
    /// the journal, or null if there was nothing.
    /// </summary>
    /// <exception cref="PlatformException">The state cannot be read, so the change must not be made.</exception>
    string? Capture(SystemChange change);

    /// <summary>
    /// Asked before a change is made again or replaced: what <see cref="Undo"/> needs to know now, if somebody else
    /// changed the thing since.
    /// </summary>
    /// <param name="change">The change about to be made again.</param>
    /// <param name="before">What is known from the first time.</param>
    string? Refresh(SystemChange change, string? before) => before;

    /// <summary>Makes the change. Already made is a success. All or nothing where the system allows.</summary>
    /// <param name="change">The change.</param>
    /// <param name="before">What <see cref="Capture"/> said, now or when the change was first made.</param>
    /// <exception cref="PlatformException">The system refused.</exception>
    void Apply(SystemChange change, string? before);

    /// <summary>Takes the change back. Already gone, or changed by somebody else since, is a success.</summary>
    /// <exception cref="PlatformException">The system refused; the journal keeps the entry.</exception>
    void Undo(SystemChange change, string? before);
}

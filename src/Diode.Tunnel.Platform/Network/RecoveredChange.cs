namespace Diode.Tunnel.Platform.Network;

/// <summary>What became of a journal entry that a dead process left.</summary>
public enum RecoveryOutcome
{
    /// <summary>Taken back.</summary>
    Undone,

    /// <summary>Left in force because its scope asked for it; still in the journal.</summary>
    Kept,

    /// <summary>Written by a newer version; left as it is and still in the journal.</summary>
    Unknown,

    /// <summary>The system refused to take it back; still in the journal.</summary>
    Failed,
}

/// <summary>One journal entry after a recovery.</summary>
/// <param name="Id">Number of the entry.</param>
/// <param name="Scope">Who made the change.</param>
/// <param name="Kind">Kind of the change as written.</param>
/// <param name="Change">The change; null if the kind is unknown.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Error">Why it failed.</param>
public sealed record RecoveredChange(
    long Id, string Scope, string Kind, SystemChange? Change, RecoveryOutcome Outcome, string? Error = null);

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>What became of an object that was offered.</summary>
internal enum DhtStoreResult
{
    /// <summary>It is in the table.</summary>
    Stored,

    /// <summary>It is genuine and newer, and will be in the table when the waiting time of its key is over.</summary>
    Delayed,

    /// <summary>The table has one that is as new or newer.</summary>
    NotNewer,

    /// <summary>It belongs to another key.</summary>
    WrongKey,

    /// <summary>It is damaged, or nobody can have signed it.</summary>
    Invalid,

    /// <summary>There is no room for a new key.</summary>
    Full,
}

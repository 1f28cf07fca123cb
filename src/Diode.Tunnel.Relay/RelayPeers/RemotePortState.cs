namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>The life of a <see cref="RemotePort"/>.</summary>
internal enum RemotePortState
{
    /// <summary>Our end asked; the other relay has not answered.</summary>
    Opening,

    /// <summary>The other relay asked; our device has not answered.</summary>
    Asked,

    /// <summary>Data flows.</summary>
    Open,

    /// <summary>The other end is gone; what it sent before is still being delivered.</summary>
    Ending,

    /// <summary>Nothing happens any more.</summary>
    Over,
}

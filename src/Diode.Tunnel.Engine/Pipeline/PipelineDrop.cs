namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>Why the packet path dropped a packet; each is counted. The names are the labels in <c>/metrics</c>.</summary>
internal enum PipelineDrop
{
    /// <summary>From the system: not an IP packet, or cut off.</summary>
    OutMalformed,

    /// <summary>From the system: multicast, broadcast or link-local; nobody to give it to.</summary>
    OutNotRouted,

    /// <summary>From the system: no device has this address and no exit is in use.</summary>
    OutNoPeer,

    /// <summary>From the system: the source is not this device's address.</summary>
    OutForeignSource,

    /// <summary>From the system: the exit does not carry this address family, or is not connected.</summary>
    OutExitBlocked,

    /// <summary>From the system: the WireGuard core refused (no session and its queue is full).</summary>
    OutNoSession,

    /// <summary>From the system: there is no path, or it could not take the packet in time.</summary>
    OutPathFull,

    /// <summary>From the network: the WireGuard core refused the datagram.</summary>
    InRejected,

    /// <summary>From a peer: not an IP packet, or cut off.</summary>
    InMalformed,

    /// <summary>From a peer: the source is not the peer's own address.</summary>
    InForeignSource,

    /// <summary>From a peer: to an address that is neither ours nor allowed through our exit.</summary>
    InForeignDestination,

    /// <summary>From a peer: not published to it and no answer to anything of ours.</summary>
    InFiltered,

    /// <summary>The system did not take the packet.</summary>
    InAdapterFull,

    /// <summary>Number of reasons.</summary>
    Count,
}

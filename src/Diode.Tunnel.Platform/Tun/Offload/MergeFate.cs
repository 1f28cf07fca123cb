namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>What merging does with a packet.</summary>
internal enum MergeFate : byte
{
    /// <summary>Belongs to no flow that is merged: written at once.</summary>
    Foreign,

    /// <summary>May belong to any flow (fragments, options, malformed): everything held is written before it.</summary>
    Barrier,

    /// <summary>Belongs to a flow but cannot be merged (SYN, FIN, pure acknowledgement): what is held of the flow is written before it.</summary>
    FlowBarrier,

    /// <summary>Payload of a flow.</summary>
    Mergeable,
}

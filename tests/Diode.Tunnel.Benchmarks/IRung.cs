namespace Diode.Tunnel.Benchmarks;

/// <summary>One rung of the ladder: something that is done once per packet.</summary>
internal interface IRung : IDisposable
{
    /// <summary>Rung and variant, for the table.</summary>
    string Name { get; }

    /// <summary>Bytes of the packet that count as throughput.</summary>
    int PacketLength { get; }

    /// <summary>Handles one packet; throws if it was not delivered.</summary>
    void Packet();
}

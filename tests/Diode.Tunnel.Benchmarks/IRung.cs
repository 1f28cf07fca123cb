namespace Diode.Tunnel.Benchmarks;

/// <summary>One rung of the ladder: packets that are handled together, one or a train of them.</summary>
internal interface IRung : IDisposable
{
    /// <summary>Rung and variant, for the table.</summary>
    string Name { get; }

    /// <summary>Length and number of the packets.</summary>
    PacketLoad Load { get; }

    /// <summary>Handles the packets; throws if one was not delivered.</summary>
    void Packets();
}

namespace Diode.Tunnel.Benchmarks;

/// <summary>What is sent at once.</summary>
/// <param name="Length">Bytes of each packet, its IP header included.</param>
/// <param name="Count">Packets; 1 uses the calls for single packets.</param>
internal readonly record struct PacketLoad(int Length, int Count)
{
    /// <summary>A packet of the usual tunnel MTU.</summary>
    public static PacketLoad Full => new(1420, 1);

    /// <summary>64 bytes of payload by UDP.</summary>
    public static PacketLoad Small => new(92, 1);

    /// <summary>A TCP super-packet: as much as one system call sends.</summary>
    public static PacketLoad Super => new(1420, 44);

    /// <summary>A batch of the adapter.</summary>
    public static PacketLoad Batch => new(92, 64);

    /// <summary>All of them.</summary>
    public static PacketLoad[] All => [Full, Super, Small, Batch];

    /// <inheritdoc/>
    public override string ToString() => Count == 1 ? $"{Length} B" : $"{Count} x {Length} B";
}

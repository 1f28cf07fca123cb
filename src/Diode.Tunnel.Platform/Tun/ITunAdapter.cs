using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>
/// A virtual layer 3 network adapter: whole IP packets, no link header. One thread reads; any thread may write.
/// The adapter (with its addresses and routes) exists until <see cref="IDisposable.Dispose"/>, which may be called
/// while a read runs: the read then returns 0.
/// </summary>
public interface ITunAdapter : IDisposable
{
    /// <summary>Name of the network interface.</summary>
    string Name { get; }

    /// <summary>Index of the network interface.</summary>
    int InterfaceIndex { get; }

    /// <summary>Longest IP packet in bytes, as set when the adapter was opened.</summary>
    int Mtu { get; }

    /// <summary>What is in use now: asked for, allowed, tested and not failed since.</summary>
    TunOffloads Active => TunOffloads.None;

    /// <summary>Packets from the system that were lost: too long for a buffer.</summary>
    long ReadDrops { get; }

    /// <summary>Packets to the system that were lost: queue full, adapter down or not an IP packet.</summary>
    long WriteDrops { get; }

    /// <summary>
    /// Replaces the content of <paramref name="batch"/> with packets from the system. Blocks until there is at least
    /// one, then takes what is there without blocking again. Buffers are rented by the batch and owned by it.
    /// With offloads a buffer may hold a super-packet (<see cref="PacketBuffer.Layout"/>); all others are complete.
    /// </summary>
    /// <returns>Number of packets; 0 after <see cref="Stop"/> or dispose.</returns>
    /// <exception cref="PlatformException">The adapter failed for good, for example because it was deleted.</exception>
    int Read(PacketBatch batch);

    /// <summary>Hands one IP packet to the system. Never blocks; the caller keeps the bytes.</summary>
    /// <returns>False if the packet was dropped; it is counted.</returns>
    bool Write(ReadOnlySpan<byte> packet);

    /// <summary>Hands all packets of a batch to the system, in order. The batch keeps its buffers and count.</summary>
    /// <returns>How many were accepted; the rest is counted as dropped.</returns>
    int Write(PacketBatch batch);

    /// <summary>Creates a writer that gathers and, with offloads, merges packets. For one thread; the caller disposes it.</summary>
    ITunWriter CreateWriter() => new PlainTunWriter(this);

    /// <summary>Makes the running and every later <see cref="Read"/> return 0. Writing stays possible.</summary>
    void Stop();
}

using System.Buffers;

namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>
/// Packets that wait for a session, oldest first, bounded: a new one pushes the oldest out. Each lies in a rented buffer
/// with room around it to be sealed in place. Used under the peer's lock; <see cref="Count"/> may be read without.
/// </summary>
internal sealed class StagedPackets(int capacity)
{
    private readonly Queue<(byte[] Buffer, int Length)> _packets = new();
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Copies a packet in. False if the oldest was dropped for it.</summary>
    public bool Add(ReadOnlySpan<byte> packet)
    {
        bool hadRoom = _packets.Count < capacity;
        if (!hadRoom)
        {
            Return(_packets.Dequeue().Buffer);
        }

        int needed = WireGuardConstants.SealHeadroom + packet.Length + WireGuardConstants.SealTailroom;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(needed);
        packet.CopyTo(buffer.AsSpan(WireGuardConstants.SealHeadroom));
        _packets.Enqueue((buffer, packet.Length));
        Volatile.Write(ref _count, _packets.Count);
        return hadRoom;
    }

    /// <summary>Takes the oldest packet; it starts at <see cref="WireGuardConstants.SealHeadroom"/>. Give the buffer back.</summary>
    public bool TryTake(out byte[] buffer, out int length)
    {
        bool any = _packets.TryDequeue(out (byte[] Buffer, int Length) packet);
        (buffer, length) = any ? packet : ([], 0);
        Volatile.Write(ref _count, _packets.Count);
        return any;
    }

    /// <summary>Gives a taken buffer back.</summary>
    public static void Return(byte[] buffer)
    {
        // Clear text of the user does not stay in a shared pool.
        ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
    }

    /// <summary>Drops everything and says how much that was.</summary>
    public int Clear()
    {
        int dropped = _packets.Count;
        while (TryTake(out byte[] buffer, out _))
        {
            Return(buffer);
        }

        return dropped;
    }
}

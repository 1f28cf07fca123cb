namespace Diode.Tunnel.WireGuard;

/// <summary>
/// Gathers packets for one peer into a train for <see cref="WireGuardInterface.SealTrain"/>: equal datagrams one behind the other, of
/// which the last may be shorter. One thread.
/// </summary>
/// <param name="wireGuard">Says how long datagrams are.</param>
public sealed class PacketTrain(WireGuardInterface wireGuard)
{
    /// <summary>Most bytes of a train: what the system sends in one call (UDP_SEGMENT).</summary>
    public const int MaxBytes = 65_000;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxBytes, pinned: true);
    private int _length;
    private bool _isClosed;

    /// <summary>Whom the train is for; null while it is empty.</summary>
    public Peer? Peer { get; private set; }

    /// <summary>Datagrams in it.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes from one datagram to the next.</summary>
    public int Stride { get; private set; }

    /// <summary>The datagrams: room, packet with padding, room for the tag.</summary>
    public Span<byte> Bytes => _buffer.AsSpan(0, _length);

    /// <summary>Makes a place for a packet, padding included.</summary>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="packetLength">Its length.</param>
    /// <param name="room">Receives the packet.</param>
    /// <returns>False if the packet cannot be part of the train: empty that first.</returns>
    public bool TryReserve(Peer peer, int packetLength, out Span<byte> room)
    {
        int datagram = wireGuard.DatagramLength(packetLength);
        if (Count == 0)
        {
            Peer = peer;
            Stride = datagram;
        }
        else if (!ReferenceEquals(peer, Peer)
            || _isClosed
            || datagram > Stride
            || Count == WireGuardInterface.MaxTrainLength
            || _length + datagram > MaxBytes)
        {
            room = default;
            return false;
        }

        Span<byte> place = _buffer.AsSpan(_length, datagram);
        room = place.Slice(WireGuardConstants.SealHeadroom, packetLength);
        place[(WireGuardConstants.SealHeadroom + packetLength)..^WireGuardConstants.TagLength].Clear();
        _length += datagram;
        _isClosed = datagram < Stride;
        Count++;
        return true;
    }

    /// <summary>Begins anew.</summary>
    public void Clear()
    {
        Peer = null;
        Count = 0;
        _length = 0;
        _isClosed = false;
    }
}

using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// The datagrams of one read from a relay, put one behind the other, so that they are decrypted and handed to the system like the trains of a
/// UDP socket. A train is of one port, one kind (the first byte) and one size, of which the last may fall short; order is kept. Filled under
/// the session's lock, emptied on the receive thread outside it. Allocates nothing once it has grown.
/// </summary>
internal sealed class ReceivedTrains(PacketPool pool)
{
    /// <summary>Longest datagram that is taken: none of ours is longer.</summary>
    public const int MaxDatagram = PacketBuffer.StandardCapacity - PacketBuffer.Headroom - PacketBuffer.Tailroom;

    private readonly List<PacketBuffer> _buffers = [];
    private readonly List<Train> _trains = [];
    private bool _isOpen;

    /// <summary>Whether there is nothing to deliver.</summary>
    public bool IsEmpty => _trains.Count == 0;

    /// <summary>Copies a datagram. One that is empty or longer than any of ours is left out.</summary>
    public void Add(RelayPort port, ReadOnlySpan<byte> datagram)
    {
        if (datagram.IsEmpty || datagram.Length > MaxDatagram)
        {
            return;
        }

        PacketBuffer? buffer = _buffers.Count > 0 ? _buffers[^1] : null;
        if (buffer is null || buffer.Length + datagram.Length > buffer.MaxPacketLength)
        {
            buffer = pool.RentLarge();
            _buffers.Add(buffer);
            _isOpen = false;
        }

        int at = buffer.Length;
        datagram.CopyTo(buffer.Room[at..]);
        buffer.Length += datagram.Length;
        if (_isOpen && _trains[^1] is var last && last.Takes(port, datagram))
        {
            _trains[^1] = last with { Length = last.Length + datagram.Length };
            _isOpen = datagram.Length == last.Stride;
            return;
        }

        _trains.Add(new Train(port, buffer, at, datagram.Length, datagram.Length));
        _isOpen = true;
    }

    /// <summary>Hands all of them over and is empty again.</summary>
    public void Deliver(RelayConnection relay, IRelayEvents events)
    {
        foreach (Train train in _trains)
        {
            train.Buffer.Offset = PacketBuffer.Headroom + train.Start;
            train.Buffer.Length = train.Length;
            events.OnDatagrams(train.Port, train.Buffer, train.Stride);
        }

        events.OnDatagramsEnd(relay);
        foreach (PacketBuffer buffer in _buffers)
        {
            pool.Return(buffer);
        }

        _buffers.Clear();
        _trains.Clear();
        _isOpen = false;
    }

    private readonly record struct Train(RelayPort Port, PacketBuffer Buffer, int Start, int Length, int Stride)
    {
        public bool Takes(RelayPort port, ReadOnlySpan<byte> datagram)
        {
            return ReferenceEquals(port, Port)
                && datagram.Length <= Stride
                && datagram[0] == Buffer.Array[PacketBuffer.Headroom + Start];
        }
    }
}

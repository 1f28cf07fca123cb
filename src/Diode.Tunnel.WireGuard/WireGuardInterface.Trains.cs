using System.Buffers.Binary;
using System.Numerics;
using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <content>
/// Trains: datagrams of equal length (the last may be shorter) that lie one behind the other, as the system sends and receives
/// them in one call. Locks, counters, replay window and timers are touched once per train; the result is that of one call per packet.
/// </content>
public sealed partial class WireGuardInterface
{
    /// <summary>Most datagrams of one train.</summary>
    public const int MaxTrainLength = 64;

    /// <summary>Length of the datagram that carries a packet: padding, header and tag included.</summary>
    public int DatagramLength(int packetLength)
    {
        const int Mask = WireGuardConstants.PaddingMultiple - 1;
        int padded = (packetLength + Mask) & ~Mask;
        return Math.Min(padded, Math.Max(packetLength, _context.Mtu)) + WireGuardConstants.TransportOverhead;
    }

    /// <summary>
    /// Encrypts the packets of a train in place, all for one peer. Each lies in a place of <paramref name="stride"/> bytes (the last
    /// place may be shorter): <see cref="WireGuardConstants.SealHeadroom"/> bytes of room, the packet followed by zeros as padding,
    /// 16 bytes of room. <see cref="DatagramLength"/> says how long a place is.
    /// </summary>
    /// <param name="peer">Whom the packets are for.</param>
    /// <param name="train">The places; if sealed, the datagrams. Belongs to the caller before and after.</param>
    /// <param name="stride">Bytes from one packet to the next.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <returns>What happened to all of them; staged packets are copied.</returns>
    public SealResult SealTrain(Peer peer, Span<byte> train, int stride, long now)
    {
        CheckTrain(peer, train, stride);
        return peer.Session.SealTrain(train, stride, now);
    }

    /// <summary>
    /// The first half of <see cref="SealTrain"/>: numbers the packets, or stages them. The second half is
    /// <see cref="TrainReservation.TrySeal"/>, on any thread; trains are to be sent in the order of their reservations.
    /// </summary>
    /// <returns><see cref="SealStatus.Sealed"/> if the reservation is good; otherwise the train is done with, as in <see cref="SealTrain"/>.</returns>
    public SealResult ReserveTrain(Peer peer, Span<byte> train, int stride, long now, out TrainReservation reservation)
    {
        CheckTrain(peer, train, stride);
        return peer.Session.ReserveTrain(train, stride, now, out reservation);
    }

    /// <summary>
    /// Decrypts a train ahead of <see cref="ReceiveTrain(Span{byte}, int, in OpenedTrain, object, ReadOnlySpan{byte}, long, Span{ReceivedPacket}, out int)"/>,
    /// which must follow in the order of arrival. Any thread. Leaves alone what is not of one session.
    /// </summary>
    /// <param name="train">The datagrams; overwritten.</param>
    /// <param name="stride">Length of each but the last; up to <see cref="MaxTrainLength"/> of them.</param>
    /// <param name="now">Monotonic ticks.</param>
    public OpenedTrain OpenTrain(Span<byte> train, int stride, long now)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        int count = (train.Length + stride - 1) / stride;
        if (count is 0 or > MaxTrainLength
            || CountRun(train, stride) != count
            || _context.Indices.Find(TransportData.ReceiverIndex(train)) is not { Keypair: { } keypair } slot
            || keypair.IsExpired(now))
        {
            return default;
        }

        Span<ulong> counters = stackalloc ulong[count];
        ReadCounters(train, stride, counters);
        return new OpenedTrain(slot, keypair, keypair.OpenTrain(counters, train, stride));
    }

    /// <summary>As the other overload, for a train that may have been decrypted ahead.</summary>
    /// <param name="train">The datagrams.</param>
    /// <param name="stride">As given to <see cref="OpenTrain"/>.</param>
    /// <param name="opened">What that returned.</param>
    /// <param name="endpoint">As in <see cref="Receive"/>.</param>
    /// <param name="sourceAddress">As in <see cref="Receive"/>.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <param name="packets">Room for as many packets as there are datagrams.</param>
    /// <param name="dropped">How many datagrams were dropped.</param>
    public int ReceiveTrain(
        Span<byte> train,
        int stride,
        in OpenedTrain opened,
        object? endpoint,
        ReadOnlySpan<byte> sourceAddress,
        long now,
        Span<ReceivedPacket> packets,
        out int dropped)
    {
        if (opened.Slot is not { } slot || opened.Keypair is not { } keypair)
        {
            return ReceiveTrain(train, stride, endpoint, sourceAddress, now, packets, out dropped);
        }

        int count = (train.Length + stride - 1) / stride;
        Span<ulong> counters = stackalloc ulong[count];
        ReadCounters(train, stride, counters);
        return Accept(train, stride, slot, keypair, counters, opened.Opened, endpoint, now, 0, packets, out dropped);
    }

    /// <summary>Takes a train of datagrams from the network, decrypting in place; any datagrams, not only of one session.</summary>
    /// <param name="train">The datagrams; overwritten.</param>
    /// <param name="stride">Length of each but the last; up to <see cref="MaxTrainLength"/> of them.</param>
    /// <param name="endpoint">As in <see cref="Receive"/>.</param>
    /// <param name="sourceAddress">As in <see cref="Receive"/>.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <param name="packets">Room for as many packets as there are datagrams.</param>
    /// <param name="dropped">How many datagrams were dropped; <see cref="Drops"/> has the reasons.</param>
    /// <returns>How many of <paramref name="packets"/> were filled, in the order of the train.</returns>
    public int ReceiveTrain(
        Span<byte> train,
        int stride,
        object? endpoint,
        ReadOnlySpan<byte> sourceAddress,
        long now,
        Span<ReceivedPacket> packets,
        out int dropped)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        int count = (train.Length + stride - 1) / stride;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxTrainLength, nameof(train));
        ArgumentOutOfRangeException.ThrowIfLessThan(packets.Length, count, nameof(packets));
        dropped = 0;
        int filled = 0;
        int at = 0;
        while (at < train.Length)
        {
            int run = CountRun(train[at..], stride);
            if (run > 1)
            {
                int length = Math.Min(run * stride, train.Length - at);
                filled += ReceiveRun(
                    train.Slice(at, length), stride, run, endpoint, now, at, packets[filled..], out int lost);
                dropped += lost;
                at += length;
                continue;
            }

            Span<byte> datagram = train.Slice(at, Math.Min(stride, train.Length - at));
            ReceiveResult result = Receive(
                datagram, endpoint, sourceAddress, now, out Peer? peer, out int offset, out int packetLength);
            if (result.Status == ReceiveStatus.Packet)
            {
                packets[filled++] = new ReceivedPacket(peer!, at + offset, packetLength);
            }

            dropped += result.Status == ReceiveStatus.Dropped ? 1 : 0;
            at += datagram.Length;
        }

        return filled;
    }

    /// <summary>How many datagrams at the start are transport messages to the same receiver index.</summary>
    private static int CountRun(ReadOnlySpan<byte> train, int stride)
    {
        int run = 0;
        ulong first = 0;
        for (int start = 0; start < train.Length; start += stride)
        {
            if (Math.Min(stride, train.Length - start) < TransportData.MinLength)
            {
                break;
            }

            // Type, reserved bytes and receiver index at once.
            ulong head = BinaryPrimitives.ReadUInt64LittleEndian(train[start..]);
            if ((uint)head != (uint)MessageType.TransportData || (run > 0 && head != first))
            {
                break;
            }

            first = head;
            run++;
        }

        return run;
    }

    private int ReceiveRun(
        Span<byte> train,
        int stride,
        int count,
        object? endpoint,
        long now,
        int origin,
        Span<ReceivedPacket> packets,
        out int dropped)
    {
        dropped = count;
        if (_context.Indices.Find(TransportData.ReceiverIndex(train)) is not { Keypair: { } keypair } slot)
        {
            _context.Drops.Count(DropReason.UnknownReceiver, count);
            return 0;
        }

        if (keypair.IsExpired(now))
        {
            _context.Drops.Count(DropReason.ExpiredKeypair, count);
            return 0;
        }

        Span<ulong> counters = stackalloc ulong[count];
        ReadCounters(train, stride, counters);
        ulong opened = keypair.OpenTrain(counters, train, stride);
        return Accept(train, stride, slot, keypair, counters, opened, endpoint, now, origin, packets, out dropped);
    }

    /// <summary>What follows decryption: replay window, timers, padding and source addresses.</summary>
    private int Accept(
        ReadOnlySpan<byte> train,
        int stride,
        ReceiverSlot slot,
        Keypair keypair,
        ReadOnlySpan<ulong> counters,
        ulong opened,
        object? endpoint,
        long now,
        int origin,
        Span<ReceivedPacket> packets,
        out int dropped)
    {
        int count = counters.Length;
        dropped = count;
        ulong accepted = keypair.AcceptTrain(counters, opened);
        int openedCount = BitOperations.PopCount(opened);
        int acceptedCount = BitOperations.PopCount(accepted);
        CountDrops(DropReason.DecryptionFailed, count - openedCount);
        CountDrops(DropReason.ReplayedCounter, openedCount - acceptedCount);
        if (accepted == 0)
        {
            return 0;
        }

        PeerSession session = slot.Session;
        int keepalives = 0;
        int bytes = 0;
        for (ulong rest = accepted; rest != 0; rest &= rest - 1)
        {
            int length = LengthOf(train, stride, BitOperations.TrailingZeroCount(rest));
            bytes += length;
            keepalives += length == TransportData.MinLength ? 1 : 0;
        }

        session.OnTransport(keypair, endpoint, bytes, keepalives == acceptedCount, now);
        if (session.IsRemoved)
        {
            _context.Drops.Count(DropReason.PeerRemoved, acceptedCount);
            return 0;
        }

        int filled = Unpack(train, stride, accepted, session.Peer, origin, packets);
        dropped = count - keepalives - filled;
        return filled;
    }

    private int Unpack(
        ReadOnlySpan<byte> train, int stride, ulong accepted, Peer peer, int origin, Span<ReceivedPacket> packets)
    {
        int filled = 0;
        ReadOnlySpan<byte> allowed = [];
        for (ulong rest = accepted; rest != 0; rest &= rest - 1)
        {
            int index = BitOperations.TrailingZeroCount(rest);
            int start = (index * stride) + TransportData.HeaderLength;
            int padded = LengthOf(train, stride, index) - TransportData.MinLength;
            if (padded == 0)
            {
                continue;
            }

            ReadOnlySpan<byte> text = train.Slice(start, padded);
            if (!InnerPacket.TryGetLength(text, out int length))
            {
                _context.Drops.Count(DropReason.MalformedPacket);
                continue;
            }

            if (_context.Options.CheckSourceAddress)
            {
                // Packets of a train are mostly of one sender: its address was looked up with the first of them.
                ReadOnlySpan<byte> source = InnerPacket.Source(text);
                if (!source.SequenceEqual(allowed) && AllowedIps.Find(source) != peer)
                {
                    _context.Drops.Count(DropReason.SourceNotAllowed);
                    continue;
                }

                allowed = source;
            }

            packets[filled++] = new ReceivedPacket(peer, origin + start, length);
        }

        return filled;
    }

    private static void ReadCounters(ReadOnlySpan<byte> train, int stride, Span<ulong> counters)
    {
        for (int i = 0; i < counters.Length; i++)
        {
            counters[i] = TransportData.Counter(train[(i * stride)..]);
        }
    }

    private void CheckTrain(Peer peer, ReadOnlySpan<byte> train, int stride)
    {
        ArgumentNullException.ThrowIfNull(peer);
        if (peer.Context != _context)
        {
            throw new ArgumentException("The peer belongs to another interface.", nameof(peer));
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stride, WireGuardConstants.TransportOverhead);
        int last = train.Length % stride;
        if (train.IsEmpty || (last != 0 && last <= WireGuardConstants.TransportOverhead))
        {
            throw new ArgumentException("A place is too short for a packet.", nameof(train));
        }
    }

    private void CountDrops(DropReason reason, int count)
    {
        if (count > 0)
        {
            _context.Drops.Count(reason, count);
        }
    }

    private static int LengthOf(ReadOnlySpan<byte> train, int stride, int index)
    {
        return Math.Min(stride, train.Length - (index * stride));
    }
}

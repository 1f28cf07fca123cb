using System.Buffers.Binary;
using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.Turn;

/// <content>Data between clients and peers; nothing here waits.</content>
internal sealed partial class TurnServer
{
    private const int ChannelHeaderLength = 4;
    private const int IndicationOverhead = 64;
    private const int LongestDatagram = 65_507;

    /// <summary>Room that <see cref="ReceiveFromPeer"/> needs in front of the data.</summary>
    public const int Headroom = IndicationOverhead;

    /// <summary>Takes a datagram that came to the server's port. One thread.</summary>
    public void ReceiveFromClient(ReadOnlySpan<byte> datagram, UdpRemote client)
    {
        long nowMs = _clock.NowMs;
        if (datagram.Length >= ChannelHeaderLength && datagram[0] is >= 0x40 and <= 0x7f)
        {
            HandleChannelData(datagram, client, nowMs);
        }
        else if (!StunMessage.TryRead(datagram, out StunMessage message))
        {
            _relay.Counters.TurnDrop();
        }
        else if (message is { Class: StunClass.Request, Method: StunMethod.Binding })
        {
            HandleBinding(client, message, nowMs);
        }
        else if (message.Class == StunClass.Request)
        {
            HandleRequest(client, message, nowMs);
            Charge(client, datagram.Length);
        }
        else if (message is { Class: StunClass.Indication, Method: StunMethod.Send })
        {
            HandleSend(message, datagram.Length, client, nowMs);
        }
        else if (message is not { Class: StunClass.Indication, Method: StunMethod.Binding })
        {
            _relay.Counters.TurnDrop();
        }
    }

    /// <summary>Takes a datagram of a peer that came to a relayed address.</summary>
    /// <param name="allocation">Whose address.</param>
    /// <param name="peer">Who sent it.</param>
    /// <param name="buffer">Data with <see cref="Headroom"/> before and 4 bytes behind it; overwritten around the data.</param>
    /// <param name="length">Bytes of data.</param>
    public void ReceiveFromPeer(TurnAllocation allocation, TurnPeer peer, Span<byte> buffer, int length)
    {
        long nowMs = _clock.NowMs;
        if (length > LongestDatagram - IndicationOverhead
            || !allocation.MayReceive(peer, length, _bytesPerSecond, nowMs, out ushort channel))
        {
            _relay.Counters.TurnDrop();
            return;
        }

        allocation.User.Account.Add(length);
        _relay.Counters.TurnCarried(length);
        if (channel != 0)
        {
            Span<byte> message = buffer.Slice(Headroom - ChannelHeaderLength, ChannelHeaderLength + length);
            BinaryPrimitives.WriteUInt16BigEndian(message, channel);
            BinaryPrimitives.WriteUInt16BigEndian(message[2..], (ushort)length);
            _output.SendToClient(allocation.Client, message);
            return;
        }

        // Header 20, peer address 12, header of the data 4: written in front of the data that is there already.
        const int head = 36;
        Span<byte> transaction = stackalloc byte[StunMessage.TransactionIdLength];
        System.Security.Cryptography.RandomNumberGenerator.Fill(transaction);
        int padding = -length & 3;
        Span<byte> indication = buffer.Slice(Headroom - head, head + length + padding);
        var writer = new StunWriter(indication, StunMethod.Data, StunClass.Indication, transaction);
        writer.WriteXorAddress(StunAttribute.XorPeerAddress, peer);
        writer.WriteInPlace(StunAttribute.Data, length);
        _output.SendToClient(allocation.Client, writer.Finish());
    }

    private void HandleChannelData(ReadOnlySpan<byte> datagram, UdpRemote client, long nowMs)
    {
        ushort channel = BinaryPrimitives.ReadUInt16BigEndian(datagram);
        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]);
        if (length > datagram.Length - ChannelHeaderLength
            || Find(client) is not TurnAllocation allocation
            || !allocation.TryGetPeer(channel, length, _bytesPerSecond, nowMs, out TurnPeer peer)
            || !IsReachable(peer))
        {
            _relay.Counters.TurnDrop();
            return;
        }

        Carry(allocation, peer, datagram.Slice(ChannelHeaderLength, length), datagram.Length);
    }

    private void HandleSend(in StunMessage message, int datagramLength, UdpRemote client, long nowMs)
    {
        if (message.UnknownRequired != 0
            || !message.TryFind(StunAttribute.XorPeerAddress, out ReadOnlySpan<byte> address)
            || !StunMessage.TryReadXorIpv4(address, out TurnPeer peer)
            || !message.TryFind(StunAttribute.Data, out ReadOnlySpan<byte> data)
            || Find(client) is not TurnAllocation allocation
            || !allocation.MaySend(peer, data.Length, _bytesPerSecond, nowMs)
            || !IsReachable(peer))
        {
            _relay.Counters.TurnDrop();
            return;
        }

        Carry(allocation, peer, data, datagramLength);
    }

    private void Carry(TurnAllocation allocation, TurnPeer peer, ReadOnlySpan<byte> data, int charged)
    {
        allocation.User.Account.Add(charged);
        _relay.Counters.TurnCarried(data.Length);
        allocation.Relay.Send(peer, data);
    }

    private TurnAllocation? Find(UdpRemote client)
    {
        lock (_gate)
        {
            return _allocations.GetValueOrDefault(UdpRemoteKey.Of(client));
        }
    }

    private bool IsReachable(TurnPeer peer)
    {
        if (peer.Port == 0)
        {
            return false;
        }

        lock (_gate)
        {
            return IsAllowed(peer);
        }
    }

    private void Charge(UdpRemote client, int bytes)
    {
        Find(client)?.User.Account.Add(bytes);
    }
}

using System.Net;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Relay.Datagrams;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <content>The way of a packet; nothing here allocates, waits or logs.</content>
internal sealed partial class ExitCore
{
    private const int Ipv4HeaderLength = 20;
    private const int RefusalBurst = 100;
    private const int RefusalsPerSecond = 100;

    private readonly PacketTrain _train;
    private readonly ReceivedPacket[] _received = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
    private volatile ExitDestinations _destinations;
    private TokenBucket _refusals = new(RefusalBurst, RefusalsPerSecond);

    /// <summary>Tells which addresses are this machine's.</summary>
    public void SetOwnAddresses(IEnumerable<IPAddress> addresses)
    {
        _destinations = new ExitDestinations(addresses, _pool.Network, _pool.Gateway);
    }

    /// <summary>Takes datagrams of one sender from the internet. One thread.</summary>
    /// <param name="buffer">One behind the other; overwritten, and not free before the output has written its packets.</param>
    /// <param name="stride">Length of each but the last; 0 for one.</param>
    /// <param name="remote">The sender.</param>
    public void ReceiveDatagrams(PacketBuffer buffer, int stride, UdpRemote remote)
    {
        long now = Now;
        stride = stride == 0 ? Math.Max(1, buffer.Length) : stride;
        int most = stride * WireGuardInterface.MaxTrainLength;
        for (int at = 0; at < buffer.Length; at += most)
        {
            Span<byte> train = buffer.Span.Slice(at, Math.Min(most, buffer.Length - at));
            int count = _wireGuard.ReceiveTrain(train, stride, remote, remote.Source, now, _received, out int dropped);
            _relay.Counters.ExitDrop(dropped);
            for (int i = 0; i < count; i++)
            {
                Forward(buffer, buffer.Offset + at + _received[i].Offset, _received[i].Length, _received[i].Peer, now);
            }
        }
    }

    /// <summary>Takes a packet of the system for a client, or many in one. They leave with <see cref="FlushPackets"/> at the latest. One thread.</summary>
    public void SendPacket(PacketBuffer packet)
    {
        long now = Now;
        SegmentLayout layout = packet.Layout;
        int count = layout.SegmentCount(packet.Length);
        if (_wireGuard.Route(packet.Span) is not { Tag: ExitClient client } peer || client.IsSuspended)
        {
            _relay.Counters.ExitDrop(count);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            int length = layout.SegmentLength(packet.Length, i);
            if (!client.ToClient.TryTake(length, _clientBytesPerSecond, now))
            {
                _relay.Counters.ExitDrop(1);
                continue;
            }

            _relay.Counters.ExitReceived(length);
            if (!_train.TryReserve(peer, length, out Span<byte> room))
            {
                FlushPackets();
                _train.TryReserve(peer, length, out room);
            }

            if (layout.IsSuperPacket)
            {
                Segmenter.Write(packet.Span, layout, i, room);
            }
            else
            {
                packet.Span.CopyTo(room);
            }
        }
    }

    /// <summary>Encrypts and sends what was gathered. Thread of <see cref="SendPacket"/>.</summary>
    public void FlushPackets()
    {
        if (_train.Peer is not { } peer)
        {
            return;
        }

        SealResult result = _wireGuard.SealTrain(peer, _train.Bytes, _train.Stride, Now);
        if (result.Status == SealStatus.Sealed && peer.Endpoint is UdpRemote remote)
        {
            _output.SendDatagrams(remote, _train.Bytes, _train.Stride);
        }
        else if (result.Status != SealStatus.Staged)
        {
            _relay.Counters.ExitDrop(_train.Count);
        }

        _train.Clear();
    }

    /// <inheritdoc/>
    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        if (endpoint is UdpRemote remote)
        {
            _output.SendDatagrams(remote, datagram, 0);
        }
    }

    /// <inheritdoc/>
    void IWireGuardOutput.OnSessionEstablished(Peer peer)
    {
        _relay.Counters.ExitHandshake();
    }

    /// <inheritdoc/>
    void IWireGuardOutput.OnHandshakeFailed(Peer peer)
    {
        // The client is gone; it will come back by itself.
    }

    private void Forward(PacketBuffer buffer, int offset, int length, Peer peer, long now)
    {
        ReadOnlySpan<byte> packet = buffer.Array.AsSpan(offset, length);
        var client = (ExitClient)peer.Tag!;
        if (client.IsSuspended
            || packet[0] >> 4 != 4
            || length < Ipv4HeaderLength
            || !client.FromClient.TryTake(length, _clientBytesPerSecond, now))
        {
            _relay.Counters.ExitDrop(1);
        }
        else if (_destinations.IsAllowed(packet))
        {
            _relay.Counters.ExitSent(length);
            _output.WritePacket(buffer, offset, length);
        }
        else
        {
            _relay.Counters.ExitDenied();
            Refuse(packet, peer, now);
        }
    }

    private void SealAndSend(Peer peer, Span<byte> buffer, int offset, int length, long now)
    {
        SealResult result = _wireGuard.Seal(peer, buffer, offset, length, now, out int start, out int datagramLength);
        if (result.Status == SealStatus.Sealed && peer.Endpoint is UdpRemote remote)
        {
            _output.SendDatagrams(remote, buffer.Slice(start, datagramLength), 0);
        }
    }

    private void Refuse(ReadOnlySpan<byte> packet, Peer peer, long now)
    {
        if (!_refusals.TryTake(now / TimeSpan.TicksPerMillisecond))
        {
            return;
        }

        Span<byte> buffer = stackalloc byte[
            WireGuardConstants.SealHeadroom + ExitRefusal.MaxLength + WireGuardConstants.SealTailroom];
        int length = ExitRefusal.Write(
            packet, ExitAddressPool.ToNumber(_pool.Gateway), buffer[WireGuardConstants.SealHeadroom..]);
        if (length > 0)
        {
            SealAndSend(peer, buffer, WireGuardConstants.SealHeadroom, length, now);
        }
    }
}

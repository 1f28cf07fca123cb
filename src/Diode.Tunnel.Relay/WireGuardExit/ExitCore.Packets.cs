using System.Net;
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

    private volatile ExitDestinations _destinations;
    private TokenBucket _refusals = new(RefusalBurst, RefusalsPerSecond);

    /// <summary>Tells which addresses are this machine's.</summary>
    public void SetOwnAddresses(IEnumerable<IPAddress> addresses)
    {
        _destinations = new ExitDestinations(addresses, _pool.Network, _pool.Gateway);
    }

    /// <summary>Takes a datagram from the internet. One thread.</summary>
    public void ReceiveDatagram(Span<byte> datagram, UdpRemote remote)
    {
        long now = Now;
        ReceiveResult result = _wireGuard.Receive(
            datagram, remote, remote.Source, now, out Peer? peer, out int offset, out int length);
        if (result.Status == ReceiveStatus.Dropped)
        {
            _relay.Counters.ExitDrop();
            return;
        }

        if (result.Status != ReceiveStatus.Packet)
        {
            return;
        }

        ReadOnlySpan<byte> packet = datagram.Slice(offset, length);
        var client = (ExitClient)peer!.Tag!;
        if (client.IsSuspended
            || packet[0] >> 4 != 4
            || length < Ipv4HeaderLength
            || !client.FromClient.TryTake(length, _clientBytesPerSecond, now))
        {
            _relay.Counters.ExitDrop();
        }
        else if (_destinations.IsAllowed(packet))
        {
            _relay.Counters.ExitSent(length);
            _output.WritePacket(packet);
        }
        else
        {
            _relay.Counters.ExitDenied();
            Refuse(packet, peer, now);
        }
    }

    /// <summary>Takes a packet of the system for a client. One thread.</summary>
    /// <param name="buffer">With the room around the packet that WireGuard needs; overwritten.</param>
    /// <param name="offset">Start of the packet.</param>
    /// <param name="length">Its length.</param>
    public void SendPacket(Span<byte> buffer, int offset, int length)
    {
        long now = Now;
        if (_wireGuard.Route(buffer.Slice(offset, length)) is not { Tag: ExitClient client } peer
            || client.IsSuspended
            || !client.ToClient.TryTake(length, _clientBytesPerSecond, now))
        {
            _relay.Counters.ExitDrop();
            return;
        }

        _relay.Counters.ExitReceived(length);
        SealAndSend(peer, buffer, offset, length, now);
    }

    /// <inheritdoc/>
    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        if (endpoint is UdpRemote remote)
        {
            _output.SendDatagram(remote, datagram);
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

    private void SealAndSend(Peer peer, Span<byte> buffer, int offset, int length, long now)
    {
        SealResult result = _wireGuard.Seal(peer, buffer, offset, length, now, out int start, out int datagramLength);
        if (result.Status == SealStatus.Sealed && peer.Endpoint is UdpRemote remote)
        {
            _output.SendDatagram(remote, buffer.Slice(start, datagramLength));
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

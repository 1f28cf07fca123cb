using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Pipeline;

/// <content>System → network: trains. Packets for one peer that follow each other and super-packets leave together.</content>
internal sealed partial class PacketPipeline
{
    // Senders learn from one report; more only cost.
    private const long TooBigInterval = TimeSpan.TicksPerMillisecond;
    private const int LeastIpv6Mtu = 1280;

    private long _lastTooBig;
    private CipherCrew? _crew;
    private TrainSlot[] _slots = [];
    private int _slot;

    /// <summary>Sends packets that waited for a peer's key. Any thread.</summary>
    public void SendWaiting(TunnelPeer peer)
    {
        IPath? used = null;
        while (peer.TryTakeWaiting(out PacketBuffer? packet))
        {
            used = Seal(peer, packet!, clock.Now) ?? used;
            pool.Return(packet!);
        }

        used?.Flush();
    }

    private void Send(
        TunnelPeer peer, PacketBuffer buffer, in IpPacket packet, TranslationResult translated, long now)
    {
        ClampSegments(peer, buffer.Span, packet);
        if (peer.Session is null)
        {
            Wait(peer, buffer);
            return;
        }

        if (buffer.Layout.IsSuperPacket)
        {
            SendSuperPacket(peer, buffer, now);
            return;
        }

        SendPart(peer, buffer.Span, now);
        _memo.Remember(buffer.Span, packet, translated, peer);
    }

    private void SendPart(TunnelPeer peer, ReadOnlySpan<byte> packet, long now)
    {
        if (TryReserve(peer, packet.Length, now, out Span<byte> room))
        {
            packet.CopyTo(room);
        }
    }

    private void SendSuperPacket(TunnelPeer peer, PacketBuffer buffer, long now)
    {
        SegmentLayout layout = buffer.Layout;
        ReadOnlySpan<byte> packet = buffer.Span;
        int count = layout.SegmentCount(packet.Length);
        for (int i = 0; i < count; i++)
        {
            if (TryReserve(peer, layout.SegmentLength(packet.Length, i), now, out Span<byte> room))
            {
                Segmenter.Write(packet, layout, i, room);
            }
        }
    }

    /// <summary>A place in the train; the train before it leaves if it must.</summary>
    private bool TryReserve(TunnelPeer peer, int length, long now, out Span<byte> room)
    {
        if (peer.Session is not { } session)
        {
            // Removed this very moment.
            peer.CountDrop();
            Count(PipelineDrop.OutNoSession);
            room = default;
            return false;
        }

        if (CurrentTrain.TryReserve(session, length, out room))
        {
            return true;
        }

        FlushTrain(now);
        return CurrentTrain.TryReserve(session, length, out room);
    }

    private PacketTrain CurrentTrain => _slots[_slot].Train;

    /// <summary>Numbers the train; it is sealed and sent with others, at the latest at the end of the batch.</summary>
    private void FlushTrain(long now)
    {
        PacketTrain train = CurrentTrain;
        if (train.Peer is not { Tag: TunnelPeer peer })
        {
            return;
        }

        SealStatus status = _slots[_slot].Reserve(now);
        if (status == SealStatus.Sealed)
        {
            if (++_slot == _slots.Length)
            {
                SendTrains();
            }

            return;
        }

        if (status != SealStatus.Staged)
        {
            peer.CountDrop(train.Count);
            Count(PipelineDrop.OutNoSession, train.Count);
        }

        train.Clear();
        WantPath(peer);
    }

    /// <summary>Seals the trains that are numbered, with the crew's help, and gives them to their paths in order.</summary>
    private void SendTrains()
    {
        _crew!.Run(_slot);
        for (int i = 0; i < _slot; i++)
        {
            SendTrain(_slots[i]);
        }

        _slot = 0;
    }

    private void SendTrain(TrainSlot slot)
    {
        PacketTrain train = slot.Train;
        TunnelPeer peer = (TunnelPeer)train.Peer!.Tag!;
        int count = train.Count;
        IPath? path = peer.CurrentPath;
        if (!slot.IsSealed)
        {
            peer.CountDrop(count);
            Count(PipelineDrop.OutNoSession, count);
        }
        else if (path is not null && path.SendTrain(train.Bytes, train.Stride))
        {
            Interlocked.Add(ref _packetsOut, count);
            _outboundPaths.Add(path);
        }
        else
        {
            peer.CountDrop(count);
            Count(PipelineDrop.OutPathFull, count);
        }

        train.Clear();
        WantPath(peer);
    }

    private void WantPath(TunnelPeer peer)
    {
        if (peer.CurrentPath is null)
        {
            Want(peer);
        }
    }

    /// <summary>Encrypts a packet and gives it to the peer's path.</summary>
    /// <returns>The path to be flushed, or null if the packet waits in the core or is lost.</returns>
    private IPath? Seal(TunnelPeer peer, PacketBuffer buffer, long now)
    {
        if (peer.Session is not { } session)
        {
            peer.CountDrop();
            return null;
        }

        SealResult sealing = wireGuard.Seal(
            session, buffer.Array, buffer.Offset, buffer.Length, now, out int offset, out int length);
        if (sealing.Status == SealStatus.Sealed)
        {
            IPath? path = peer.CurrentPath;
            if (path is not null && path.Send(buffer.Array.AsSpan(offset, length)))
            {
                Interlocked.Increment(ref _packetsOut);
                return path;
            }

            peer.CountDrop();
            Count(PipelineDrop.OutPathFull);
        }
        else if (sealing.Status != SealStatus.Staged)
        {
            peer.CountDrop();
            Count(PipelineDrop.OutNoSession);
        }

        WantPath(peer);
        return null;
    }

    /// <summary>Puts a packet aside until the peer's key is known.</summary>
    private void Wait(TunnelPeer peer, PacketBuffer buffer)
    {
        if (!buffer.Layout.IsSuperPacket)
        {
            peer.Wait(buffer.Span, pool);
        }
        else
        {
            PacketBuffer part = pool.Rent();
            for (int i = 0; i < buffer.Layout.SegmentCount(buffer.Length); i++)
            {
                if (TryCut(buffer, i, part))
                {
                    peer.Wait(part.Span, pool);
                }
            }

            pool.Return(part);
        }

        Want(peer);

        // The key may have come after the look at it; then nobody else would send what has just been put aside.
        if (peer.Session is not null && peer.CurrentPath is not null)
        {
            SendWaiting(peer);
        }
    }

    private void Want(TunnelPeer peer)
    {
        if (!peer.Wanted)
        {
            peer.Wanted = true;
            wantPeer(peer);
        }
    }

    private static bool TryCut(PacketBuffer superPacket, int index, PacketBuffer part)
    {
        SegmentLayout layout = superPacket.Layout;
        int length = layout.SegmentLength(superPacket.Length, index);
        part.Reset();
        if (length > part.MaxPacketLength)
        {
            return false;
        }

        part.Length = Segmenter.Write(superPacket.Span, layout, index, part.Room[..length]);
        return true;
    }

    /// <summary>A new TCP connection is told what its path carries.</summary>
    private void ClampSegments(TunnelPeer peer, Span<byte> bytes, in IpPacket packet)
    {
        if ((packet.Flags & TcpFlags.Syn) != 0)
        {
            TcpMss.Clamp(bytes, packet, PathMtu(peer));
        }
    }

    /// <summary>
    /// Tells the sender that its packets do not fit the path. The packet itself is sent all the same: a path may know a way for it, and must
    /// for IPv6 packets up to 1280 bytes, which senders never make smaller (RFC 8200 §5).
    /// </summary>
    private void ReportTooBig(TunnelPeer peer, PacketBuffer buffer, in IpPacket packet, long now)
    {
        int length = buffer.Layout.SegmentLength(buffer.Length, 0);
        if (peer.CurrentPath is not { } path
            || wireGuard.DatagramLength(length) <= path.MaxDatagram
            || (!packet.IsIpv4 && length <= LeastIpv6Mtu)
            || MayBeFragmented(buffer.Span)
            || now - _lastTooBig < TooBigInterval)
        {
            return;
        }

        _lastTooBig = now;
        int written = IcmpReply.WriteTooBig(buffer.Span, packet, packet.Destination, PathMtu(peer), _reply);
        if (written > 0)
        {
            adapter.Write(_reply.AsSpan(0, written));
        }
    }

    private static bool MayBeFragmented(ReadOnlySpan<byte> packet)
    {
        const byte DontFragment = 0x40;
        return packet[0] >> 4 == 4 && (packet[6] & DontFragment) == 0;
    }
}

using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>
/// Network → system for one receiving thread: opens whole trains in place, judges their packets and gathers them at the adapter, which
/// merges them. Made by <see cref="PacketPipeline.CreateReceiver"/>; the thread calls <see cref="Flush"/> after each batch.
/// </summary>
internal sealed class PipelineReceiver(
    PacketPipeline pipeline, ITunWriter writer, WireGuardInterface wireGuard, EngineClock clock) : IDisposable
{
    private readonly ReceivedPacket[] _packets = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
    private readonly FlowMemo _memo = new();
    private PipelineSnapshot? _snapshot;
    private TunnelPeer? _peer;
    private AddressBookEntry? _entry;
    private int _added;

    /// <summary>Takes a datagram or a train. The buffer stays the caller's and unchanged until <see cref="Flush"/>.</summary>
    /// <param name="path">Where it came from.</param>
    /// <param name="buffer">The bytes; overwritten.</param>
    /// <param name="segmentSize">Size of each datagram but the last; 0: there is only one.</param>
    public void Take(IPath path, PacketBuffer buffer, int segmentSize)
    {
        int stride = segmentSize <= 0 ? Math.Max(1, buffer.Length) : segmentSize;
        int most = stride * WireGuardInterface.MaxTrainLength;
        long now = clock.Now;
        for (int at = 0; at < buffer.Length; at += most)
        {
            Span<byte> train = buffer.Span.Slice(at, Math.Min(most, buffer.Length - at));
            int count = wireGuard.ReceiveTrain(train, stride, path, path.SourceId, now, _packets, out int dropped);
            if (dropped > 0)
            {
                pipeline.Count(PipelineDrop.InRejected, dropped);
            }

            for (int i = 0; i < count; i++)
            {
                ReceivedPacket packet = _packets[i];
                if (packet.Peer.Tag is TunnelPeer peer)
                {
                    Deliver(peer, buffer, buffer.Offset + at + packet.Offset, packet.Length, now);
                }
            }
        }
    }

    /// <summary>Hands what was gathered to the system. The buffers are then free.</summary>
    public void Flush()
    {
        int accepted = writer.Flush();
        pipeline.CountDelivered(accepted, _added - accepted);
        _added = 0;
        _memo.Clear();
        _snapshot = null;
        _peer = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        writer.Dispose();
    }

    private void Deliver(TunnelPeer peer, PacketBuffer buffer, int offset, int length, long now)
    {
        Span<byte> bytes = buffer.Array.AsSpan(offset, length);
        if (!ReferenceEquals(_memo.Peer, peer) || !_memo.Matches(bytes))
        {
            if (!IpPacket.TryParse(bytes, out IpPacket packet))
            {
                pipeline.Count(PipelineDrop.InMalformed);
                return;
            }

            PipelineSnapshot snapshot = _snapshot ??= pipeline.Snapshot;
            if (!ReferenceEquals(peer, _peer))
            {
                _peer = peer;
                _entry = snapshot.Book.TryFind(peer.Device, out int index) ? snapshot.Book.Entries[index] : null;
            }

            if (_entry is null)
            {
                pipeline.Count(PipelineDrop.InForeignSource);
                return;
            }

            if (!pipeline.Admit(snapshot, peer, _entry, bytes, ref packet, now, out TranslationResult translated))
            {
                return;
            }

            _memo.Remember(bytes, packet, translated, peer);
            length = packet.TotalLength;
        }

        _added++;
        writer.Add(buffer, offset, length);
    }
}

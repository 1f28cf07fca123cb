using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.Pipeline;

/// <content>System → network: where a packet goes.</content>
internal sealed partial class PacketPipeline
{
    private const int TrainsAtOnce = 8;

    /// <summary>System → network: a batch from the adapter. Reader thread only; the buffers stay the batch's.</summary>
    internal void SendBatch(PacketBatch batch)
    {
        PipelineSnapshot snapshot = Snapshot;
        long now = clock.Now;
        if (_crew is null)
        {
            // With helpers, several trains are under way at once.
            _slots = new TrainSlot[Helpers == 0 ? 1 : TrainsAtOnce];
            for (int i = 0; i < _slots.Length; i++)
            {
                _slots[i] = new TrainSlot(wireGuard);
            }

            _crew = new CipherCrew(Helpers, i => _slots[i].Seal());
        }

        for (int i = 0; i < batch.Count; i++)
        {
            SendOne(batch.Packets[i], snapshot, now);
        }

        FlushTrain(now);
        SendTrains();
        _memo.Clear();
        _outboundPaths.Flush();
    }

    private void RunOutbound()
    {
        // With an equal share, other than the receivers: it would wake up for every single packet of a program that sends many, and no
        // trains would form.
        PacketBatch batch = new(pool);
        try
        {
            while (adapter.Read(batch) > 0)
            {
                SendBatch(batch);
            }
        }
        finally
        {
            batch.Release();
        }
    }

    private void SendOne(PacketBuffer buffer, PipelineSnapshot snapshot, long now)
    {
        if (_memo.Matches(buffer.Span))
        {
            SendPart(_memo.Peer!, buffer.Span, now);
            return;
        }

        if (!IpPacket.TryParse(buffer.Span, out IpPacket packet))
        {
            Count(PipelineDrop.OutMalformed);
            return;
        }

        bool isKnown = snapshot.Book.TryFind(packet.Destination, out int index);
        if (isKnown && index < snapshot.Plain.Length && snapshot.Plain[index] is { } plain)
        {
            SendToPlain(buffer, packet, snapshot, plain);
            return;
        }

        if (isKnown && snapshot.Peers[index] is { } peer)
        {
            AddressBookEntry entry = snapshot.Book.Entries[index];
            ReportTooBig(peer, buffer, packet, now);
            IpPacket local = packet;
            TranslationResult translated = AliasTranslator.Outbound(buffer.Span, ref packet, snapshot.Book.Self, entry);
            if (translated <= TranslationResult.Translated)
            {
                if (filter.Outbound(local, peer.Filter, now) == FilterVerdict.Pass)
                {
                    Send(peer, buffer, packet, translated, now);
                }

                return;
            }

            // A reply that this machine forwards from the internet to a client of its exit keeps its foreign source.
            if (translated == TranslationResult.ForeignSource
                && peer.IsExitClient
                && !IsVirtual(snapshot, packet.Source)
                && AliasTranslator.OutboundTransit(buffer.Span, ref packet, entry) <= TranslationResult.Translated)
            {
                Send(peer, buffer, packet, translated, now);
                return;
            }

            Count(PipelineDrop.OutForeignSource);
            return;
        }

        SendToExit(buffer, packet, snapshot, now);
    }

    private void SendToPlain(PacketBuffer buffer, in IpPacket packet, PipelineSnapshot snapshot, PlainTarget target)
    {
        if (Plain is not { } gateway || !snapshot.Book.IsSelf(packet.Source))
        {
            Count(PipelineDrop.OutForeignSource);
            return;
        }

        if (!buffer.Layout.IsSuperPacket)
        {
            gateway.Take(buffer, packet, target);
            return;
        }

        // The gateway hands packets back to the system one by one.
        PacketBuffer part = pool.Rent();
        for (int i = 0; i < buffer.Layout.SegmentCount(buffer.Length); i++)
        {
            if (TryCut(buffer, i, part) && IpPacket.TryParse(part.Span, out IpPacket segment))
            {
                gateway.Take(part, segment, target);
            }
        }

        pool.Return(part);
    }

    private void SendToExit(PacketBuffer buffer, IpPacket packet, PipelineSnapshot snapshot, long now)
    {
        if (packet.Destination.IsMulticastOrBroadcast || packet.Destination.IsUnspecifiedOrLoopback)
        {
            Count(PipelineDrop.OutNotRouted);
            return;
        }

        if (IsVirtual(snapshot, packet.Destination))
        {
            Refuse(buffer, packet, UnreachableReason.NoRoute, PipelineDrop.OutNoPeer);
            return;
        }

        if (!ExitPolicy.IsPublic(packet.Destination))
        {
            // The exit would drop it silently.
            Refuse(buffer, packet, UnreachableReason.AdministrativelyProhibited, PipelineDrop.OutNotRouted);
            return;
        }

        ExitFamilies family = packet.IsIpv4 ? ExitFamilies.Ipv4 : ExitFamilies.Ipv6;
        if (snapshot.Exit is not { } exit || (snapshot.ExitFamilies & family) == 0)
        {
            Refuse(buffer, packet, UnreachableReason.NoRoute, PipelineDrop.OutExitBlocked);
            return;
        }

        ReportTooBig(exit, buffer, packet, now);
        IpPacket local = packet;
        TranslationResult translated = AliasTranslator.OutboundToExit(buffer.Span, ref packet, snapshot.Book.Self);
        if (translated > TranslationResult.Translated)
        {
            Count(PipelineDrop.OutForeignSource);
            return;
        }

        if (filter.Outbound(local, exit.Filter, now) == FilterVerdict.Pass)
        {
            Send(exit, buffer, packet, translated, now);
        }
    }
}

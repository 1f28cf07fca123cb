using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Peers;

namespace Diode.Tunnel.Engine.Pipeline;

/// <content>Network → system.</content>
internal sealed partial class PacketPipeline
{
    /// <summary>Makes the inbound path of one receiving thread; the caller disposes it.</summary>
    public PipelineReceiver CreateReceiver()
    {
        return new PipelineReceiver(this, adapter.CreateWriter(), wireGuard, pool, clock, Helpers);
    }

    /// <summary>Judges a packet of a peer, translated in place; counts what is refused.</summary>
    /// <param name="snapshot">What is in force.</param>
    /// <param name="peer">The sender, proven by its session.</param>
    /// <param name="entry">Its addresses.</param>
    /// <param name="bytes">The packet.</param>
    /// <param name="packet">Its parsed form; follows the translation.</param>
    /// <param name="now">Clock ticks.</param>
    /// <param name="translated">What translation did.</param>
    internal bool Admit(
        PipelineSnapshot snapshot,
        TunnelPeer peer,
        AddressBookEntry entry,
        Span<byte> bytes,
        ref IpPacket packet,
        long now,
        out TranslationResult translated)
    {
        translated = AliasTranslator.Inbound(bytes, ref packet, snapshot.Book.Self, entry);
        bool allowed = translated switch
        {
            <= TranslationResult.Translated => IsAllowed(peer, bytes, packet, now),
            TranslationResult.ForeignSource => FromInternet(snapshot, peer, bytes, ref packet, now),
            TranslationResult.ForeignDestination => ToInternet(peer, entry, bytes, ref packet),
            _ => false,
        };
        if (!allowed)
        {
            Count(translated switch
            {
                <= TranslationResult.Translated => PipelineDrop.InFiltered,
                TranslationResult.ForeignDestination => PipelineDrop.InForeignDestination,
                _ => PipelineDrop.InForeignSource,
            });
            return false;
        }

        ClampSegments(peer, bytes, packet);
        return true;
    }

    /// <summary>Counts packets given to the adapter, and those it did not take.</summary>
    internal void CountDelivered(int accepted, int refused)
    {
        if (accepted > 0)
        {
            Interlocked.Add(ref _packetsIn, accepted);
        }

        if (refused > 0)
        {
            Count(PipelineDrop.InAdapterFull, refused);
        }
    }

    private bool IsAllowed(TunnelPeer peer, ReadOnlySpan<byte> bytes, in IpPacket packet, long now)
    {
        return (peer.IsExitClient && ExitPolicy.IsResolverQuery(packet))
            || filter.Inbound(bytes, packet, peer.Filter, now) == FilterVerdict.Pass;
    }

    /// <summary>A reply of the internet that came through the exit in use: only what this machine asked for.</summary>
    private bool FromInternet(PipelineSnapshot snapshot, TunnelPeer peer, Span<byte> bytes, ref IpPacket packet, long now)
    {
        return ReferenceEquals(peer, snapshot.Exit)
            && !IsVirtual(snapshot, packet.Source)
            && AliasTranslator.InboundFromExit(bytes, ref packet, snapshot.Book.Self) <= TranslationResult.Translated
            && filter.InboundReply(bytes, packet, peer.Filter, now) == FilterVerdict.Pass;
    }

    /// <summary>A client's packet for the internet: the exit's rules decide, nftables decides again.</summary>
    private static bool ToInternet(TunnelPeer peer, AddressBookEntry entry, Span<byte> bytes, ref IpPacket packet)
    {
        return peer.IsExitClient
            && ExitPolicy.IsPublic(packet.Destination)
            && AliasTranslator.InboundTransit(bytes, ref packet, entry) <= TranslationResult.Translated;
    }
}

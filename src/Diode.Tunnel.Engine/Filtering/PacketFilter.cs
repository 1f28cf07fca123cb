using System.Runtime.CompilerServices;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>
/// The stateful packet filter between adapter and peers: what this machine starts is allowed and remembered, what comes in must be a
/// reply or be published to that peer. Everything else is dropped and counted.
/// </summary>
/// <remarks>
/// Thread-safe: any number of threads in both directions; one short lock per packet, shared by few flows. Allocates nothing per packet.
/// Time is monotonic, in <see cref="TimeSpan"/> ticks. Ask with the addresses of this machine on both sides: outbound before alias
/// translation, inbound after it. Flows are bound to the peer, so nobody can use another's.
/// </remarks>
public sealed class PacketFilter
{
    // Local ports from here up are a client's (Linux 32768, Windows 49152): see TracksMidStream.
    private const int FirstEphemeralPort = 32_768;

    private readonly FlowTable _flows;
    private readonly FragmentMemory _fragments = new();
    private readonly long[] _counts = new long[Enum.GetValues<FilterVerdict>().Length];
    private readonly PacketFilterOptions _options;
    private Rules _rules = new(PublishPolicy.Nothing, 0);

    /// <summary>Creates a filter that lets nothing in.</summary>
    public PacketFilter(PacketFilterOptions? options = null)
    {
        _options = options ?? new PacketFilterOptions();
        _flows = new FlowTable(
            _options.MaxFlows,
            new FlowTimeouts(
                _options.TcpTimeout.Ticks,
                _options.TcpOpeningTimeout.Ticks,
                _options.TcpClosedTimeout.Ticks,
                _options.UdpTimeout.Ticks,
                _options.OtherTimeout.Ticks));
    }

    /// <summary>Puts another policy in force. Connections that it doesn't allow are cut at their next packet.</summary>
    public void SetPolicy(PublishPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        Rules current;
        do
        {
            current = Volatile.Read(ref _rules);
        }
        while (Interlocked.CompareExchange(ref _rules, new Rules(policy, current.Epoch + 1), current) != current);
    }

    /// <summary>Has every connection opened from outside judged again at its next packet; call it when a peer's membership changed.</summary>
    public void Recheck()
    {
        SetPolicy(Volatile.Read(ref _rules).Policy);
    }

    /// <summary>Forgets all flows of a peer that is gone. Its number must not be used again.</summary>
    public void RemovePeer(int peerId)
    {
        _flows.RemovePeer(peerId);
    }

    /// <summary>Flows remembered now; for status, walks the table.</summary>
    public int CountFlows(long now)
    {
        return _flows.Count(now);
    }

    /// <summary>Packets that met this verdict. Passed ones are not counted here.</summary>
    public long DropCount(FilterVerdict verdict)
    {
        return Volatile.Read(ref _counts[(int)verdict]);
    }

    /// <summary>Judges a packet from this machine to a peer and remembers the conversation.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="peer">The peer it goes to.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <returns><see cref="FilterVerdict.Pass"/>, or <see cref="FilterVerdict.Revoked"/> inside a connection that is no longer allowed.</returns>
    public FilterVerdict Outbound(in IpPacket packet, in FilterPeer peer, long now)
    {
        if (packet.IsLaterFragment || packet.Icmp is IcmpKind.Error or IcmpKind.Other)
        {
            return FilterVerdict.Pass;
        }

        Rules rules = Volatile.Read(ref _rules);
        FlowKey key = FlowKey.Outbound(packet, peer.Id);
        ulong hash = _flows.Hash(key);
        lock (_flows.LockOf(hash))
        {
            ref Flow flow = ref _flows.Find(key, hash, now);
            if (Unsafe.IsNullRef(ref flow))
            {
                if (TracksMidStream(packet) && packet.Icmp != IcmpKind.EchoReply)
                {
                    _flows.Add(key, hash, now).Epoch = rules.Epoch;
                }

                return FilterVerdict.Pass;
            }

            if (IsRevoked(ref flow, packet, peer, rules))
            {
                flow.LastSeen = now; // as long as this machine keeps talking, it must not look like a new conversation
                return Drop(FilterVerdict.Revoked);
            }

            if (IsOpening(packet) && !flow.Has(FlowState.OpenedByRemote))
            {
                flow.State = FlowState.Used; // the port pair is used again
            }

            flow.Note(packet, fromRemote: false, now);
            return FilterVerdict.Pass;
        }
    }

    /// <summary>Judges a packet from a peer to this machine.</summary>
    /// <param name="buffer">The packet's bytes (ICMP errors quote another packet).</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="peer">The peer it came from, proven by its session.</param>
    /// <param name="now">Monotonic ticks.</param>
    public FilterVerdict Inbound(ReadOnlySpan<byte> buffer, in IpPacket packet, in FilterPeer peer, long now)
    {
        return Inbound(buffer, packet, peer, now, mayOpen: true);
    }

    /// <summary>
    /// Judges a packet that a peer only carries (an exit, for a host of the internet): what is published to the peer is not published
    /// to whom it carries, so nothing but replies passes.
    /// </summary>
    /// <param name="buffer">The packet's bytes.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="carrier">The peer it came through.</param>
    /// <param name="now">Monotonic ticks.</param>
    public FilterVerdict InboundReply(ReadOnlySpan<byte> buffer, in IpPacket packet, in FilterPeer carrier, long now)
    {
        return Inbound(buffer, packet, carrier, now, mayOpen: false);
    }

    private FilterVerdict Inbound(ReadOnlySpan<byte> buffer, in IpPacket packet, in FilterPeer peer, long now, bool mayOpen)
    {
        if (packet.IsLaterFragment)
        {
            return _fragments.Contains(packet, peer.Id, now) ? FilterVerdict.Pass : Drop(FilterVerdict.Fragment);
        }

        FilterVerdict verdict = packet.Icmp switch
        {
            IcmpKind.Error => InboundError(buffer, packet, peer, now),
            IcmpKind.EchoRequest => mayOpen ? InboundPing(packet, peer) : Drop(FilterVerdict.PingDenied),
            IcmpKind.Other => Drop(FilterVerdict.IcmpDenied),
            _ => InboundFlow(packet, peer, now, mayOpen),
        };
        if (packet.IsFragment && verdict == FilterVerdict.Pass)
        {
            _fragments.Remember(packet, peer.Id, now);
        }

        return verdict;
    }

    private FilterVerdict InboundFlow(in IpPacket packet, in FilterPeer peer, long now, bool mayOpen)
    {
        Rules rules = Volatile.Read(ref _rules);
        FlowKey key = FlowKey.Inbound(packet, peer.Id);
        ulong hash = _flows.Hash(key);
        lock (_flows.LockOf(hash))
        {
            ref Flow flow = ref _flows.Find(key, hash, now);
            bool known = !Unsafe.IsNullRef(ref flow);

            // A peer that opens a connection is never a reply, even where one of ours used the same ports.
            if (known && !IsOpening(packet))
            {
                if (IsRevoked(ref flow, packet, peer, rules))
                {
                    return Drop(FilterVerdict.Revoked);
                }

                flow.Note(packet, fromRemote: true, now);
                return FilterVerdict.Pass;
            }

            if (packet.Icmp == IcmpKind.EchoReply || !mayOpen)
            {
                return Drop(FilterVerdict.NoFlow);
            }

            if (!Allows(rules, packet.Protocol, packet.HasPorts, packet.DestinationPort, peer))
            {
                return Drop(FilterVerdict.NotPublished);
            }

            if (!known)
            {
                flow = ref _flows.Add(key, hash, now);
            }

            flow.State = FlowState.Used | FlowState.OpenedByRemote;
            flow.Epoch = rules.Epoch;
            flow.Note(packet, fromRemote: true, now);
            return FilterVerdict.Pass;
        }
    }

    private FilterVerdict InboundPing(in IpPacket packet, in FilterPeer peer)
    {
        bool allowed = (peer.IsFleetMember && _options.AllowPingFromFleet)
            || Allows(Volatile.Read(ref _rules), packet.Protocol, false, 0, peer);
        return allowed ? FilterVerdict.Pass : Drop(FilterVerdict.PingDenied);
    }

    private FilterVerdict InboundError(ReadOnlySpan<byte> buffer, in IpPacket packet, in FilterPeer peer, long now)
    {
        // The quote is a packet this machine sent, so it is looked up as one.
        if (!IpPacket.TryParseQuoted(buffer[packet.QuoteOffset..packet.TotalLength], out IpPacket quoted)
            || quoted.IsLaterFragment || quoted.Icmp is IcmpKind.Error or IcmpKind.Other
            || quoted.Source != packet.Destination)
        {
            return Drop(FilterVerdict.NoFlow);
        }

        Rules rules = Volatile.Read(ref _rules);
        FlowKey key = FlowKey.Outbound(quoted, peer.Id);
        ulong hash = _flows.Hash(key);
        lock (_flows.LockOf(hash))
        {
            ref Flow flow = ref _flows.Find(key, hash, now);
            if (Unsafe.IsNullRef(ref flow))
            {
                return Drop(FilterVerdict.NoFlow);
            }

            // No Note: an error must not keep a flow alive.
            return IsRevoked(ref flow, quoted, peer, rules) ? Drop(FilterVerdict.Revoked) : FilterVerdict.Pass;
        }
    }

    // Judges a flow opened from outside again if the rules changed since; a revoked one comes back when they allow it again.
    private static bool IsRevoked(ref Flow flow, in IpPacket packet, in FilterPeer peer, Rules rules)
    {
        if (flow.Epoch != rules.Epoch && flow.Has(FlowState.OpenedByRemote))
        {
            bool allowed = Allows(rules, flow.Key.Protocol, packet.HasPorts, flow.Key.LocalPort, peer);
            flow.State = allowed ? flow.State & ~FlowState.Revoked : flow.State | FlowState.Revoked;
            flow.Epoch = rules.Epoch;
        }

        return flow.Has(FlowState.Revoked);
    }

    private static bool Allows(Rules rules, byte protocol, bool hasPorts, ushort port, in FilterPeer peer)
    {
        return rules.Policy.Allows(peer, protocol, hasPorts, port);
    }

    private static bool IsOpening(in IpPacket packet)
    {
        return packet.Protocol == IpProtocol.Tcp && (packet.Flags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn;
    }

    // A TCP flow begins with SYN. One that is already running when the filter starts is taken up only from what looks like a client's
    // port: otherwise a server's retransmissions would open a way in for a peer that is no longer allowed.
    private static bool TracksMidStream(in IpPacket packet)
    {
        return packet.Protocol != IpProtocol.Tcp || IsOpening(packet)
            || (packet.SourcePort >= FirstEphemeralPort
                && (packet.Flags & (TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst | TcpFlags.Ack)) == TcpFlags.Ack);
    }

    private FilterVerdict Drop(FilterVerdict verdict)
    {
        Interlocked.Increment(ref _counts[(int)verdict]);
        return verdict;
    }

    private sealed record Rules(PublishPolicy Policy, int Epoch);
}

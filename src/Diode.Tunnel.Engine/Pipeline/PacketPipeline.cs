using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>
/// The way of a packet (design §4), one straight line each way:
/// <code>
/// adapter → parse → address book → translate → filter → WireGuard seal → path
/// path → WireGuard open → source check → translate → filter → adapter
/// </code>
/// Outbound runs on the adapter's reader thread, inbound on the receive thread of the path. Nothing here allocates, waits or logs; what
/// cannot be done now is dropped and counted. Everything looked up is in <see cref="Snapshot"/>.
/// </summary>
internal sealed class PacketPipeline(
    ITunAdapter adapter,
    WireGuardInterface wireGuard,
    PacketFilter filter,
    PacketPool pool,
    EngineClock clock,
    PipelineSnapshot initial,
    Action<TunnelPeer> wantPeer)
{
    private readonly long[] _drops = new long[(int)PipelineDrop.Count];
    private readonly TouchedPaths _outboundPaths = new();
    private readonly byte[] _reply = new byte[IcmpReply.MaxLength];
    private PipelineSnapshot _snapshot = initial;
    private PlainGateway? _plain;
    private long _packetsOut;
    private long _packetsIn;
    private Task? _outbound;

    /// <summary>What the packet path looks up; swapped as a whole.</summary>
    public PipelineSnapshot Snapshot
    {
        get => Volatile.Read(ref _snapshot);
        set => Volatile.Write(ref _snapshot, value);
    }

    /// <summary>Takes packets to plain Diode devices; null: there are none.</summary>
    public PlainGateway? Plain
    {
        get => Volatile.Read(ref _plain);
        set => Volatile.Write(ref _plain, value);
    }

    /// <summary>Packets sealed and handed to a path.</summary>
    public long PacketsOut => Volatile.Read(ref _packetsOut);

    /// <summary>Packets delivered to the adapter.</summary>
    public long PacketsIn => Volatile.Read(ref _packetsIn);

    /// <summary>Packets dropped for a reason.</summary>
    public long Drops(PipelineDrop reason)
    {
        return Volatile.Read(ref _drops[(int)reason]);
    }

    /// <summary>Begins to read the adapter on a thread of its own; <paramref name="failed"/> is called if the adapter breaks.</summary>
    public void Start(Action<Exception> failed)
    {
        _outbound = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    RunOutbound();
                }
                catch (Platform.PlatformException e)
                {
                    failed(e);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <summary>Stops reading and waits for the thread.</summary>
    public async Task StopAsync()
    {
        adapter.Stop();
        if (_outbound is not null)
        {
            await _outbound.ConfigureAwait(false);
        }
    }

    /// <summary>Network → system: one datagram of a path. The buffer stays the caller's.</summary>
    public void Receive(IPath path, PacketBuffer datagram)
    {
        long now = clock.Now;
        Span<byte> bytes = datagram.Span;
        ReceiveResult result = wireGuard.Receive(
            bytes, path, path.SourceId, now, out Peer? session, out int offset, out int length);
        if (result.Status == ReceiveStatus.Dropped)
        {
            Count(PipelineDrop.InRejected);
        }

        if (result.Status == ReceiveStatus.Packet && session?.Tag is TunnelPeer peer)
        {
            Deliver(peer, bytes.Slice(offset, length), now);
        }
    }

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

    /// <summary>System → network: a batch from the adapter. Reader thread only; the buffers stay the batch's.</summary>
    internal void SendBatch(PacketBatch batch)
    {
        PipelineSnapshot snapshot = Snapshot;
        long now = clock.Now;
        for (int i = 0; i < batch.Count; i++)
        {
            SendOne(batch.Packets[i], snapshot, now);
        }

        _outboundPaths.Flush();
    }

    private void RunOutbound()
    {
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
            IpPacket local = packet;
            TranslationResult translated = AliasTranslator.Outbound(buffer.Span, ref packet, snapshot.Book.Self, entry);
            if (translated <= TranslationResult.Translated)
            {
                if (filter.Outbound(local, peer.Filter, now) == FilterVerdict.Pass)
                {
                    Send(peer, buffer, now);
                }

                return;
            }

            // A reply that this machine forwards from the internet to a client of its exit keeps its foreign source.
            if (translated == TranslationResult.ForeignSource
                && peer.IsExitClient
                && !IsVirtual(snapshot, packet.Source)
                && AliasTranslator.OutboundTransit(buffer.Span, ref packet, entry) <= TranslationResult.Translated)
            {
                Send(peer, buffer, now);
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

        gateway.Take(buffer, packet, target);
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

        IpPacket local = packet;
        if (AliasTranslator.OutboundToExit(buffer.Span, ref packet, snapshot.Book.Self) > TranslationResult.Translated)
        {
            Count(PipelineDrop.OutForeignSource);
            return;
        }

        if (filter.Outbound(local, exit.Filter, now) == FilterVerdict.Pass)
        {
            Send(exit, buffer, now);
        }
    }

    private void Send(TunnelPeer peer, PacketBuffer buffer, long now)
    {
        if (peer.Session is null)
        {
            peer.Wait(buffer.Span, pool);
            if (!peer.Wanted)
            {
                peer.Wanted = true;
                wantPeer(peer);
            }

            // The key may have come after the look at it; then nobody else would send what has just been put aside.
            if (peer.Session is not null && peer.CurrentPath is not null)
            {
                SendWaiting(peer);
            }

            return;
        }

        if (Seal(peer, buffer, now) is { } path)
        {
            _outboundPaths.Add(path);
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

        if (peer.CurrentPath is null && !peer.Wanted)
        {
            peer.Wanted = true;
            wantPeer(peer);
        }

        return null;
    }

    private void Deliver(TunnelPeer peer, Span<byte> bytes, long now)
    {
        PipelineSnapshot snapshot = Snapshot;
        if (!IpPacket.TryParse(bytes, out IpPacket packet))
        {
            Count(PipelineDrop.InMalformed);
            return;
        }

        if (!snapshot.Book.TryFind(peer.Device, out int index))
        {
            Count(PipelineDrop.InForeignSource);
            return;
        }

        AddressBookEntry entry = snapshot.Book.Entries[index];
        TranslationResult translated = AliasTranslator.Inbound(bytes, ref packet, snapshot.Book.Self, entry);
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
            return;
        }

        if (adapter.Write(bytes[..packet.TotalLength]))
        {
            Interlocked.Increment(ref _packetsIn);
        }
        else
        {
            Count(PipelineDrop.InAdapterFull);
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

    private static bool IsVirtual(PipelineSnapshot snapshot, in PacketAddress address)
    {
        return address.IsIpv4
            ? snapshot.Book.Pool.Contains(address) || AddressPool.Default.Contains(address)
            : VirtualAddresses.IsInIpv6Prefix(address);
    }

    /// <summary>Tells the sender at once instead of letting it time out.</summary>
    private void Refuse(PacketBuffer buffer, in IpPacket packet, UnreachableReason reason, PipelineDrop drop)
    {
        Count(drop);
        PacketAddress source = packet.IsIpv4 ? VirtualAddresses.ResolverIpv4 : VirtualAddresses.ResolverIpv6;
        int length = IcmpReply.WriteUnreachable(buffer.Span, packet, source, reason, _reply);
        if (length > 0)
        {
            adapter.Write(_reply.AsSpan(0, length));
        }
    }

    private void Count(PipelineDrop reason)
    {
        Interlocked.Increment(ref _drops[(int)reason]);
    }
}

using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
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
internal sealed partial class PacketPipeline(
    ITunAdapter adapter,
    WireGuardInterface wireGuard,
    PacketFilter filter,
    PacketPool pool,
    EngineClock clock,
    PipelineSnapshot initial,
    Action<TunnelPeer> wantPeer) : IAsyncDisposable
{
    private readonly long[] _drops = new long[(int)PipelineDrop.Count];
    private readonly TouchedPaths _outboundPaths = new();
    private readonly FlowMemo _memo = new();
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

    /// <summary>Threads that help with the cipher in each direction; to be set before the first packet.</summary>
    public int Helpers { get; init; } = CipherCrew.DefaultHelpers;

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

        _crew?.Dispose();
        _crew = null;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        return new ValueTask(StopAsync());
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

    /// <summary>Counts packets that were dropped.</summary>
    internal void Count(PipelineDrop reason, int packets = 1)
    {
        Interlocked.Add(ref _drops[(int)reason], packets);
    }

    /// <summary>Largest packet that goes to a peer in one piece by its present path.</summary>
    private int PathMtu(TunnelPeer peer)
    {
        if (peer.CurrentPath is not { } path || path.MaxDatagram >= wireGuard.DatagramLength(adapter.Mtu))
        {
            return adapter.Mtu;
        }

        // Padding goes up to a multiple of 16.
        return (path.MaxDatagram - WireGuardConstants.TransportOverhead) & ~(WireGuardConstants.PaddingMultiple - 1);
    }
}

using Diode.Tunnel.Engine;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>
/// One device's packet path: real pipeline, filter, address book and WireGuard; an adapter and paths in memory. Stepped by hand on one
/// thread: <see cref="Send"/> is a program's packet, <see cref="Run"/> moves datagrams until none is left.
/// </summary>
internal sealed class PipelineNode : IWireGuardOutput, IDisposable
{
    private readonly PacketPool _pool = new();
    private readonly PacketBatch _batch;
    private readonly AddressPool _addresses;
    private readonly List<TunnelPeer> _peers = [];
    private readonly List<MemoryPath> _paths = [];
    private readonly EngineClock _clock;

    public PipelineNode(Address device, TimeProvider time, AddressPool? addresses = null, IAeadFactory? aead = null, bool trains = true, int helpers = 0)
    {
        Device = device;
        _addresses = addresses ?? AddressPool.Default;
        _clock = new EngineClock(time);
        _batch = new PacketBatch(_pool);
        byte[] key = new byte[WireGuardConstants.KeyLength];
        X25519.GeneratePrivateKey(key);
        WireGuardOptions options = new()
        {
            UtcNow = time.GetUtcNow,
            Aead = aead ?? PlatformAead.Factory,
            CheckSourceAddress = false,
        };
        WireGuard = new WireGuardInterface(key, options, this);
        Pipeline = new PacketPipeline(
            Adapter, WireGuard, Filter, _pool, _clock, MakeSnapshot(null, ExitFamilies.None), Wanted.Add)
        {
            Helpers = helpers,
        };
        Receiver = Pipeline.CreateReceiver();
        TakesTrains = trains;
    }

    public Address Device { get; }

    public FakeTunAdapter Adapter { get; } = new();

    public PacketFilter Filter { get; } = new();

    public WireGuardInterface WireGuard { get; }

    public PacketPipeline Pipeline { get; }

    /// <summary>Takes what arrives.</summary>
    public PipelineReceiver Receiver { get; }

    /// <summary>Whether it takes trains; false: datagram by datagram.</summary>
    public bool TakesTrains { get; }

    public List<TunnelPeer> Wanted { get; } = [];

    public PacketPool Pool => _pool;

    public string Ipv4 => Pipeline.Snapshot.Book.Self.LocalIpv4.ToIPAddress().ToString();

    public string Ipv6 => Pipeline.Snapshot.Book.Self.Ipv6.ToIPAddress().ToString();

    public static Address MakeDevice(int number)
    {
        byte[] bytes = new byte[Address.Length];
        bytes[0] = 1;
        BitConverter.TryWriteBytes(bytes.AsSpan(1), number);
        return new Address(bytes);
    }

    /// <summary>Makes two nodes peers of each other, with keys, sessions and paths.</summary>
    public static void Connect(PipelineNode a, PipelineNode b)
    {
        TunnelPeer toB = a.Add(b);
        TunnelPeer toA = b.Add(a);
        a.GiveKey(b);
        b.GiveKey(a);
        Link(a, toB, b, toA);
        toB.Session!.InitiateHandshake(a._clock.Now);
        Run(a, b);
    }

    /// <summary>Gives two peers paths to each other.</summary>
    public static void Link(PipelineNode a, TunnelPeer toB, PipelineNode b, TunnelPeer toA)
    {
        MemoryPath there = new(b, a._pool);
        MemoryPath back = new(a, b._pool) { Reverse = there };
        there.Reverse = back;
        a._paths.Add(there);
        b._paths.Add(back);
        toB.Path = there;
        toA.Path = back;
    }

    /// <summary>Moves datagrams until all have arrived.</summary>
    public static void Run(params ReadOnlySpan<PipelineNode> nodes)
    {
        bool any;
        do
        {
            any = false;
            foreach (PipelineNode node in nodes)
            {
                foreach (MemoryPath path in node._paths)
                {
                    any |= path.Deliver();
                }
            }
        }
        while (any);
    }

    /// <summary>Makes the other a known device without a key.</summary>
    public TunnelPeer Add(PipelineNode other)
    {
        TunnelPeer peer = new(other.Device, _peers.Count + 1);
        _peers.Add(peer);
        Pipeline.Snapshot = MakeSnapshot(null, ExitFamilies.None);
        return peer;
    }

    /// <summary>Makes devices known, with keys but without sessions.</summary>
    public void AddStrangers(int count)
    {
        byte[] key = new byte[WireGuardConstants.KeyLength];
        for (int i = 0; i < count; i++)
        {
            TunnelPeer peer = new(MakeDevice(1_000_000 + i), _peers.Count + 1);
            BitConverter.TryWriteBytes(key, i + 1);
            key[16] = 9;
            peer.Session = WireGuard.AddPeer(key, new PeerOptions { Tag = peer });
            _peers.Add(peer);
        }

        Pipeline.Snapshot = MakeSnapshot(null, ExitFamilies.None);
    }

    public TunnelPeer PeerOf(PipelineNode other)
    {
        return _peers.First(p => p.Device == other.Device);
    }

    /// <summary>The other's tunnel key has been found.</summary>
    public void GiveKey(PipelineNode other)
    {
        TunnelPeer peer = PeerOf(other);
        peer.Session = WireGuard.AddPeer(other.WireGuard.PublicKey.ToArray(), new PeerOptions { Tag = peer });
    }

    public void UseExit(PipelineNode exit, ExitFamilies families)
    {
        Pipeline.Snapshot = MakeSnapshot(PeerOf(exit), families);
    }

    public void Publish(string rules)
    {
        Filter.SetPolicy(
            PublishRules.TryParse(rules, out PublishRules? parsed, out string? problem)
                ? parsed.Resolve(static _ => [])
                : throw new ArgumentException(problem, nameof(rules)));
    }

    /// <summary>The IPv4 address that programs here use for the other.</summary>
    public string Ipv4Of(PipelineNode other)
    {
        return Pipeline.Snapshot.Book.Find(other.Device)!.LocalIpv4.ToIPAddress().ToString();
    }

    /// <summary>A program sends a packet. The pipeline works on a copy.</summary>
    public void Send(ReadOnlySpan<byte> packet)
    {
        _batch.Prepare(0).TryAssign(packet);
        _batch.Count = 1;
        Pipeline.SendBatch(_batch);
    }

    /// <summary>Programs send several packets at once. A packet with a layout is a super-packet.</summary>
    public void SendAll(params ReadOnlySpan<(byte[] Packet, SegmentLayout Layout)> packets)
    {
        PacketBatch batch = new(_pool);
        foreach ((byte[] packet, SegmentLayout layout) in packets)
        {
            PacketBuffer buffer = packet.Length > 1500 ? _pool.RentLarge() : _pool.Rent();
            buffer.TryAssign(packet);
            buffer.Layout = layout;
            batch.TryAdd(buffer);
        }

        Pipeline.SendBatch(batch);
        batch.Release();
    }

    /// <summary>
    /// Seals a packet for a peer whatever its addresses: what a device can send that does not keep to the rules.
    /// </summary>
    public void SendUnchecked(PipelineNode other, ReadOnlySpan<byte> packet)
    {
        PacketBuffer buffer = _pool.Rent();
        buffer.TryAssign(packet);
        TunnelPeer peer = PeerOf(other);
        SealResult result = WireGuard.Seal(
            peer.Session!, buffer.Array, buffer.Offset, buffer.Length, _clock.Now, out int offset, out int length);
        if (result.Status == SealStatus.Sealed)
        {
            peer.Path!.Send(buffer.Array.AsSpan(offset, length));
            peer.Path.Flush();
        }

        _pool.Return(buffer);
    }

    public void Dispose()
    {
        Receiver.Dispose();
#pragma warning disable VSTHRD002 // there is no thread to wait for
        Pipeline.StopAsync().Wait();
#pragma warning restore VSTHRD002
        WireGuard.Dispose();
        Adapter.Dispose();
    }

    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        IPath? path = endpoint is IPath { IsOpen: true } proven ? proven : (peer?.Tag as TunnelPeer)?.Path;
        if (path is not null && path.Send(datagram))
        {
            path.Flush();
        }
    }

    void IWireGuardOutput.OnSessionEstablished(Peer peer)
    {
    }

    void IWireGuardOutput.OnHandshakeFailed(Peer peer)
    {
    }

    private PipelineSnapshot MakeSnapshot(TunnelPeer? exit, ExitFamilies families)
    {
        AddressBook book = AddressBook.Build(Device, _peers.Select(static p => p.Device), _addresses, []);
        return new PipelineSnapshot(book, [.. _peers], exit, families);
    }
}

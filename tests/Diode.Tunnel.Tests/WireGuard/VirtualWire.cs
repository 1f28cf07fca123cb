using System.Net;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Tests.WireGuard;

/// <summary>A clock and a wire between interfaces. Everything random comes from one seed. Stepped by hand.</summary>
internal sealed class VirtualWire(int seed = 1)
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly PriorityQueue<Flight, (long At, long Order)> _flights = new();
    private readonly List<VirtualNode> _nodes = [];
    private long _order;

    public Random Random { get; } = new(seed);

    public long Now { get; private set; }

    public double Loss { get; set; }

    public double Duplication { get; set; }

    /// <summary>Delay of every datagram, and a random part on top that reorders.</summary>
    public TimeSpan Delay { get; set; } = TimeSpan.FromMilliseconds(10);

    public TimeSpan Jitter { get; set; }

    /// <summary>Sees every datagram sent; false loses it.</summary>
    public Func<Flight, bool>? Filter { get; set; }

    public List<Flight> Log { get; } = [];

    public DateTimeOffset UtcNow => Start + TimeSpan.FromTicks(Now);

    public VirtualNode AddNode(string name, Func<WireGuardOptions, WireGuardOptions>? configure = null)
    {
        VirtualNode node = new(this, name, configure);
        _nodes.Add(node);
        return node;
    }

    public void Send(VirtualNode from, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        if (endpoint is not VirtualNode to)
        {
            return;
        }

        Flight flight = new(from, to, datagram.ToArray(), Now);
        Log.Add(flight);
        if (Filter?.Invoke(flight) == false || Random.NextDouble() < Loss)
        {
            return;
        }

        do
        {
            long at = Now + Delay.Ticks + (long)(Jitter.Ticks * Random.NextDouble());
            _flights.Enqueue(flight, (at, _order++));
        }
        while (Random.NextDouble() < Duplication);
    }

    /// <summary>Runs deliveries and timers in order of time.</summary>
    public void Run(TimeSpan time)
    {
        long end = Now + time.Ticks;
        while (true)
        {
            long next = _flights.TryPeek(out _, out (long At, long Order) first) ? first.At : long.MaxValue;
            foreach (VirtualNode node in _nodes)
            {
                next = Math.Min(next, node.Interface.NextTimeout);
            }

            if (next > end)
            {
                break;
            }

            Now = Math.Max(Now, next);
            while (_flights.TryPeek(out Flight? flight, out first) && first.At <= Now)
            {
                _flights.Dequeue();
                flight.To.Receive((byte[])flight.Datagram.Clone(), flight.From);
            }

            foreach (VirtualNode node in _nodes)
            {
                node.Interface.Tick(Now);
            }
        }

        Now = end;
    }

    public void RunSeconds(double seconds)
    {
        Run(TimeSpan.FromSeconds(seconds));
    }

    internal sealed record Flight(VirtualNode From, VirtualNode To, byte[] Datagram, long SentAt)
    {
        public int Type => Datagram[0];
    }
}

/// <summary>One interface on a <see cref="VirtualWire"/>; its own object is its endpoint.</summary>
internal sealed class VirtualNode : IWireGuardOutput
{
    private static int _addresses;
    private readonly VirtualWire _wire;
    private readonly byte[] _privateKey = new byte[32];

    public VirtualNode(VirtualWire wire, string name, Func<WireGuardOptions, WireGuardOptions>? configure)
    {
        _wire = wire;
        Name = name;
        int number = Interlocked.Increment(ref _addresses) & 0xff;
        Address = new IPAddress([10, 0, 0, (byte)number]);
        SourceAddress = [192, 0, 2, (byte)number, 0x12, 0x34];
        wire.Random.NextBytes(_privateKey);
        WireGuardOptions options = new() { UtcNow = () => wire.UtcNow, Random = FillRandom };
        Interface = new WireGuardInterface(_privateKey, configure?.Invoke(options) ?? options, this);
    }

    public string Name { get; }

    public IPAddress Address { get; }

    public byte[] SourceAddress { get; set; }

    public WireGuardInterface Interface { get; }

    public List<byte[]> Delivered { get; } = [];

    public List<ReceiveResult> Results { get; } = [];

    public int Sessions { get; private set; }

    public int Failures { get; private set; }

    public Peer Connect(VirtualNode other, Func<PeerOptions, PeerOptions>? configure = null)
    {
        PeerOptions options = new() { AllowedIps = [new IPNetwork(other.Address, 32)], Endpoint = other };
        return Interface.AddPeer(other.Interface.PublicKey.ToArray(), configure?.Invoke(options) ?? options);
    }

    public SealStatus SendPacket(Peer peer, VirtualNode to, int payload = 0, int length = 100)
    {
        return SendRaw(peer, MakePacket(Address, to.Address, payload, length));
    }

    public SealStatus SendRaw(Peer peer, byte[] packet)
    {
        byte[] buffer = new byte[packet.Length + WireGuardConstants.SealHeadroom + WireGuardConstants.SealTailroom];
        packet.CopyTo(buffer, WireGuardConstants.SealHeadroom);
        SealResult result = Interface.Seal(
            peer, buffer, WireGuardConstants.SealHeadroom, packet.Length, _wire.Now, out int offset, out int length);
        if (result.Status == SealStatus.Sealed)
        {
            _wire.Send(this, peer.Endpoint, buffer.AsSpan(offset, length));
        }

        return result.Status;
    }

    public ReceiveResult Receive(byte[] datagram, VirtualNode from)
    {
        ReceiveResult result = Interface.Receive(
            datagram, from, from.SourceAddress, _wire.Now, out _, out int offset, out int length);
        Results.Add(result);
        if (result.Status == ReceiveStatus.Packet)
        {
            Delivered.Add(datagram.AsSpan(offset, length).ToArray());
        }

        return result;
    }

    public void Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        _wire.Send(this, endpoint, datagram);
    }

    public void OnSessionEstablished(Peer peer)
    {
        Sessions++;
    }

    public void OnHandshakeFailed(Peer peer)
    {
        Failures++;
    }

    public static byte[] MakePacket(IPAddress from, IPAddress to, int payload, int length)
    {
        byte[] packet = new byte[length];
        packet[0] = 0x45;
        packet[2] = (byte)(length >> 8);
        packet[3] = (byte)length;
        from.TryWriteBytes(packet.AsSpan(12), out _);
        to.TryWriteBytes(packet.AsSpan(16), out _);
        BitConverter.TryWriteBytes(packet.AsSpan(20), payload);
        return packet;
    }

    public int[] DeliveredPayloads()
    {
        return [.. Delivered.Select(packet => BitConverter.ToInt32(packet, 20))];
    }

    private void FillRandom(Span<byte> bytes)
    {
        _wire.Random.NextBytes(bytes);
    }
}

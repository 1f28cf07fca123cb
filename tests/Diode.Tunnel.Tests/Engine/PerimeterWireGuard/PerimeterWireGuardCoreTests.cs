using System.Net;
using Diode.Tunnel.Engine;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Testing;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PerimeterWireGuard;

/// <summary>Two interfaces back to back in memory.</summary>
public sealed class PerimeterWireGuardCoreTests : IDisposable
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly PacketPool _pool = new();
    private readonly End _here;
    private readonly End _there;

    public PerimeterWireGuardCoreTests()
    {
        var clock = new EngineClock(_time);
        _here = new End(_pool, _time, clock, 1);
        _there = new End(_pool, _time, clock, 2);
        _here.Other = _there;
        _there.Other = _here;
        _here.Core.SetAddresses([IPAddress.Parse("10.9.0.1"), IPAddress.Parse("fd09::1")]);
        _there.Core.SetAddresses([IPAddress.Parse("10.9.0.2")]);
        _here.Core.SetPeers([Plan(_there, "10.9.0.2/32", "10.9.0.7/32")]);
        _there.Core.SetPeers([Plan(_here, "10.9.0.1/32", "10.8.0.0/16", "100.64.0.1/32")]);
        _here.Core.SetEndpoint(_there.Core.PublicKey, _there.Place);
    }

    public void Dispose()
    {
        _here.Dispose();
        _there.Dispose();
    }

    [Fact]
    public void Packets_between_addresses_of_the_interfaces_pass()
    {
        _here.Send("10.9.0.1", "10.9.0.2");
        _there.Send("10.9.0.2", "10.9.0.1");
        Assert.Equal((1, 1), (_there.Written.Count, _here.Written.Count));
        PeerFacts facts = _here.Core.FactsOf(_there.Core.PublicKey)!.Value;
        Assert.True(facts is { LastHandshake: not null, RxBytes: > 0, TxBytes: > 0 });
        Assert.Equal(_there.Place, facts.Endpoint);
    }

    /// <summary>This machine is no router: nothing of others goes out, nothing for others comes in, least of all for its address in the mesh.</summary>
    [Theory]
    [InlineData("192.168.1.5", "10.9.0.2")]
    [InlineData("100.64.0.1", "10.9.0.2")]
    [InlineData("10.9.0.1", "10.9.0.7")]
    [InlineData("10.9.0.1", "10.1.1.1")]
    public void Nothing_is_forwarded(string source, string destination)
    {
        _here.Send("10.9.0.1", "10.9.0.2");
        long dropped = _here.Core.Dropped + _there.Core.Dropped;
        _here.Send(source, destination);
        Assert.Single(_there.Written);
        Assert.Equal(dropped + 1, _here.Core.Dropped + _there.Core.Dropped);
    }

    /// <summary>What is no network of the peer is not accepted from it, though it is an address of the interface there.</summary>
    [Fact]
    public void Sources_that_are_not_the_peers_are_dropped()
    {
        _here.Core.SetAddresses([IPAddress.Parse("10.7.0.1"), IPAddress.Parse("10.9.0.1")]);
        _here.Send("10.9.0.1", "10.9.0.2");
        _here.Send("10.7.0.1", "10.9.0.2");
        Assert.Single(_there.Written);
    }

    [Fact]
    public void Sessions_of_peers_that_stay_go_on()
    {
        _here.Send("10.9.0.1", "10.9.0.2");
        long handshake = _here.Core.FactsOf(_there.Core.PublicKey)!.Value.LastHandshake!.Value;
        _time.Advance(TimeSpan.FromSeconds(10));
        byte[] another = new byte[32];
        another[0] = 9;
        Assert.Empty(_here.Core.SetPeers([new PeerPlan(new TunnelPublicKey(another), [], [IPNetwork.Parse("10.5.0.0/16")], default), Plan(_there, "10.9.0.2/32")]));
        _here.Send("10.9.0.1", "10.9.0.2");
        Assert.Equal(2, _there.Written.Count);
        Assert.Equal(handshake, _here.Core.FactsOf(_there.Core.PublicKey)!.Value.LastHandshake);

        // Another preshared key is another session; a peer that is gone is gone, its place with it.
        PeerPlan other = Plan(_there, "10.9.0.2/32") with { PresharedKey = new byte[32] };
        _here.Core.SetPeers([other with { PresharedKey = [.. Enumerable.Repeat((byte)1, 32)] }]);
        Assert.Null(_here.Core.FactsOf(_there.Core.PublicKey)!.Value.LastHandshake);
        Assert.Equal(_there.Place, _here.Core.FactsOf(_there.Core.PublicKey)!.Value.Endpoint);
        _here.Core.SetPeers([]);
        Assert.Null(_here.Core.FactsOf(_there.Core.PublicKey));
        _here.Send("10.9.0.1", "10.9.0.2");
        Assert.Equal(2, _there.Written.Count);
    }

    /// <summary>A handshake without anybody to send it to would hold up the real one for five seconds.</summary>
    [Fact]
    public void Keepalives_begin_when_it_is_known_where_the_peer_is()
    {
        using var third = new End(_pool, _time, new EngineClock(_time), 3) { Other = _there };
        third.Core.SetPeers([Plan(_there, "10.9.0.2/32") with { Keepalive = TimeSpan.FromSeconds(25) }]);
        _there.Core.SetPeers([Plan(third, "10.9.0.1/32")]);
        _there.Other = third;
        third.Core.Tick();
        _time.Advance(TimeSpan.FromSeconds(1));
        third.Core.SetEndpoint(_there.Core.PublicKey, _there.Place);
        third.Core.Tick();
        _there.Deliver();
        third.Deliver();
        Assert.NotNull(third.Core.FactsOf(_there.Core.PublicKey)!.Value.LastHandshake);
    }

    [Fact]
    public void Keys_that_are_none_are_left_out()
    {
        PeerPlan zero = new(default, [], [IPNetwork.Parse("10.4.0.0/16")], default);
        PeerPlan own = Plan(_here, "10.3.0.0/16");
        Assert.Equal([zero.Key, own.Key], _here.Core.SetPeers([zero, own, Plan(_there, "10.9.0.2/32")]));
        _here.Send("10.9.0.1", "10.9.0.2");
        Assert.Single(_there.Written);
    }

    [Fact]
    public void Noise_from_the_network_is_dropped()
    {
        var random = new Random(3);
        for (int i = 0; i < 5_000; i++)
        {
            byte[] noise = new byte[random.Next(1, 300)];
            random.NextBytes(noise);
            noise[0] = (byte)random.Next(6);
            noise.AsSpan(1, Math.Min(3, noise.Length - 1)).Clear();
            _here.Receive(noise, random.Next(2) * random.Next(noise.Length));
        }

        Assert.Empty(_here.Written);
        _here.Send("10.9.0.1", "10.9.0.2");
        Assert.Single(_there.Written);
    }

    [Fact]
    public void Packets_cost_no_memory()
    {
        _here.Send("10.9.0.1", "10.9.0.2");
        _here.KeepsLast = true;
        _there.KeepsLast = true;
        PacketBuffer packet = _here.MakePacket("10.9.0.1", "10.9.0.2");
        PacketBuffer datagram = _pool.Rent();
        datagram.Reset();
        void Pass()
        {
            _here.Core.Send(packet);
            _here.Core.Flush();
            datagram.Length = _here.Last.Length;
            _here.Last.Span.CopyTo(datagram.Span);
            _there.Core.Receive(datagram, 0, _here.Place);
        }

        int before = _there.Packets;
        int passes = 0;
        Pass();
        passes++;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                Pass();
                passes++;
            }
        }));
        Assert.Equal(passes, _there.Packets - before);
    }

    private static PeerPlan Plan(End end, params string[] networks) =>
        new(end.Core.PublicKey, [], [.. networks.Select(static n => IPNetwork.Parse(n))], TimeSpan.Zero);

    private sealed class End : IPerimeterWireGuardOutput, IDisposable
    {
        private readonly PacketPool _pool;
        private readonly Queue<byte[]> _arriving = [];
        private readonly byte[] _last = new byte[65_536];
        private bool _delivering;

        public End(PacketPool pool, TimeProvider time, EngineClock clock, byte number)
        {
            _pool = pool;
            byte[] key = new byte[32];
            key[5] = number;
            Core = new PerimeterWireGuardCore(key, 1420, time, clock, this);
            Assert.True(EndpointAddress.TryParse($"198.51.100.{number}:51820", out EndpointAddress place));
            Place = place;
        }

        public PerimeterWireGuardCore Core { get; }

        public EndpointAddress Place { get; }

        public End Other { get; set; } = null!;

        public List<byte[]> Written { get; } = [];

        /// <summary>What is sent is kept here instead of being delivered, what is written only counted.</summary>
        public bool KeepsLast { get; set; }

        public Memory<byte> Last { get; private set; }

        public int Packets { get; private set; }

        public void Send(string source, string destination)
        {
            Core.Send(MakePacket(source, destination));
            Core.Flush();
            Deliver();
            Other.Deliver();
        }

        public PacketBuffer MakePacket(string source, string destination)
        {
            PacketBuffer buffer = _pool.Rent();
            buffer.Reset();
            byte[] packet = new byte[60];
            packet[0] = 0x45;
            packet[3] = 60;
            packet[9] = 17;
            IPAddress.Parse(source).GetAddressBytes().CopyTo(packet, 12);
            IPAddress.Parse(destination).GetAddressBytes().CopyTo(packet, 16);
            buffer.Length = packet.Length;
            packet.CopyTo(buffer.Span);
            return buffer;
        }

        public void Receive(byte[] datagrams, int stride)
        {
            PacketBuffer buffer = _pool.Rent();
            buffer.Reset();
            buffer.Length = datagrams.Length;
            datagrams.CopyTo(buffer.Span);
            Core.Receive(buffer, stride, Other.Place);
        }

        public void SendDatagrams(in EndpointAddress to, ReadOnlySpan<byte> train, int stride)
        {
            if (KeepsLast)
            {
                train.CopyTo(_last);
                Last = _last.AsMemory(0, train.Length);
            }
            else if (to == Other.Place)
            {
                Other._arriving.Enqueue(train.ToArray());
            }
        }

        public void WritePacket(PacketBuffer buffer, int offset, int length)
        {
            Packets++;
            if (!KeepsLast)
            {
                Written.Add(buffer.Array.AsSpan(offset, length).ToArray());
            }
        }

        public void Dispose() => Core.Dispose();

        public void Deliver()
        {
            if (_delivering)
            {
                return;
            }

            _delivering = true;
            while (_arriving.TryDequeue(out byte[]? datagram))
            {
                Receive(datagram, 0);
                Other.Deliver();
            }

            _delivering = false;
        }
    }
}

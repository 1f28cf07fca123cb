using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Packets;

public class IpPacketTests
{
    private const string A4 = "100.64.1.2";
    private const string B4 = "100.64.3.4";
    private const string A6 = "fdf8:43cd:6db1::1";
    private const string B6 = "fdf8:43cd:6db1::2";

    [Theory]
    [InlineData(A4, B4)]
    [InlineData(A6, B6)]
    public void TryParse_reads_addresses_ports_and_flags(string a, string b)
    {
        byte[] bytes = [.. PacketBuilder.Tcp(a, b, 1000, 443, TcpFlags.Syn, payload: 5), 0, 0, 0];
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        Assert.Equal(a, packet.Source.ToString());
        Assert.Equal(b, packet.Destination.ToString());
        Assert.Equal((IpProtocol.Tcp, 1000, 443, TcpFlags.Syn), (packet.Protocol, packet.SourcePort, packet.DestinationPort, packet.Flags));
        Assert.Equal(bytes.Length - 3, packet.TotalLength);
        Assert.Equal(25, packet.TransportLength);
        Assert.True(packet.HasPorts);
        Assert.False(packet.IsFragment);
    }

    [Fact]
    public void TryParse_skips_ipv4_options()
    {
        byte[] udp = PacketBuilder.Udp(A4, B4, 5, 53)[20..];
        byte[] bytes = PacketBuilder.Ip(A4, B4, IpProtocol.Udp, udp, 6, extensions: [1, 1, 1, 1, 1, 1, 1, 0]);
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        Assert.Equal(28, packet.TransportOffset);
        Assert.Equal(53, packet.DestinationPort);
    }

    [Fact]
    public void TryParse_walks_known_ipv6_extension_headers()
    {
        byte[] udp = PacketBuilder.Udp(A6, B6, 5, 53)[40..];
        byte[] chain = [IpProtocol.DestinationOptions, 0, 1, 4, 0, 0, 0, 0, IpProtocol.Udp, 1, 1, 12, .. new byte[12]];
        Assert.True(IpPacket.TryParse(PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, chain), out IpPacket packet));
        Assert.Equal(64, packet.TransportOffset);
        Assert.Equal((IpProtocol.Udp, 53), (packet.Protocol, packet.DestinationPort));
    }

    [Theory]
    [InlineData(50)] // ESP
    [InlineData(51)] // AH
    [InlineData(135)] // mobility
    [InlineData(253)]
    [InlineData(132)] // SCTP has ports, but not ones we filter by
    public void TryParse_never_reads_ports_behind_an_unknown_next_header(byte protocol)
    {
        foreach ((string a, string b) in new[] { (A4, B4), (A6, B6) })
        {
            byte[] bytes = PacketBuilder.Ip(a, b, protocol, PacketBuilder.Udp(a, b, 5, 53)[^24..]);
            Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
            Assert.Equal(protocol, packet.Protocol);
            Assert.False(packet.HasPorts);
            Assert.Equal(0, packet.DestinationPort);
        }
    }

    [Fact]
    public void TryParse_reads_ports_from_the_first_fragment_only()
    {
        byte[] first = PacketBuilder.Udp(A4, B4, 5, 53);
        first[6] = 0x20;
        BinaryPrimitives.WriteUInt16BigEndian(first.AsSpan(24), 3000); // the datagram goes on in other fragments
        Assert.True(IpPacket.TryParse(first, out IpPacket packet));
        Assert.True(packet is { IsFragment: true, IsLaterFragment: false, HasPorts: true, FragmentId: 1 });
        first[7] = 3;
        Assert.True(IpPacket.TryParse(first, out packet));
        Assert.True(packet is { IsFragment: true, IsLaterFragment: true, HasPorts: false, SourcePort: 0 });
    }

    [Fact]
    public void TryParse_reads_ipv6_fragments()
    {
        byte[] udp = PacketBuilder.Udp(A6, B6, 5, 53)[40..];
        byte[] chain = [IpProtocol.Udp, 0, 0, 1, 1, 2, 3, 4];
        byte[] bytes = PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, chain);
        bytes[6] = IpProtocol.Fragment;
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        Assert.True(packet is { IsFragment: true, HasPorts: true, FragmentId: 0x01020304 });
        bytes[43] = 0x10; // offset 16, last
        Assert.True(IpPacket.TryParse(bytes, out packet));
        Assert.True(packet is { IsLaterFragment: true, HasPorts: false, Protocol: IpProtocol.Udp });
        bytes[43] = 0; // atomic
        Assert.True(IpPacket.TryParse(bytes, out packet));
        Assert.True(packet is { IsFragment: false, HasPorts: true, FragmentId: 0 });
    }

    [Fact]
    public void TryParse_rejects_malformed_packets()
    {
        byte[] good = PacketBuilder.Tcp(A4, B4, 1, 2, TcpFlags.Ack, payload: 4);
        AssertRejected("empty", []);
        AssertRejected("version", Changed(good, 0, 0x55));
        AssertRejected("header too short", Changed(good, 0, 0x44));
        AssertRejected("header beyond the packet", Changed(good, 0, 0x4F));
        AssertRejected("total beyond the buffer", Changed(good, 3, 200));
        AssertRejected("total below the header", Changed(good, 3, 19));
        AssertRejected("tcp header cut", Changed(good, 3, 39));
        AssertRejected("tcp offset too small", Changed(good, 32, 0x40));
        AssertRejected("tcp offset too large", Changed(good, 32, 0xF0));
        AssertRejected("flags overwritten by a second fragment", Changed(good, 7, 1));
        byte[] udp = PacketBuilder.Udp(A4, B4, 1, 2);
        AssertRejected("udp length small", Changed(udp, 25, 7));
        AssertRejected("udp length large", Changed(udp, 25, 25));
        AssertRejected("ping of death", Changed(Changed(udp, 6, 0x1F), 7, 0xFF));
        byte[] udp6 = PacketBuilder.Udp(A6, B6, 1, 2);
        AssertRejected("payload beyond the buffer", Changed(udp6, 5, 200));
        byte[] mapped = (byte[])udp6.Clone();
        System.Net.IPAddress.Parse("::ffff:10.0.0.1").GetAddressBytes().CopyTo(mapped, 8);
        AssertRejected("mapped source", mapped);
    }

    [Fact]
    public void TryParse_rejects_bad_extension_chains()
    {
        byte[] udp = PacketBuilder.Udp(A6, B6, 5, 53)[40..];
        byte[] options = [IpProtocol.HopByHop, 0, 1, 4, 0, 0, 0, 0];
        AssertRejected("hop-by-hop twice", PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, [.. options, IpProtocol.Udp, 0, 1, 4, 0, 0, 0, 0]));
        byte[] sourceRoute = PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, [IpProtocol.Udp, 0, 0, 0, 0, 0, 0, 0]);
        sourceRoute[6] = IpProtocol.Routing;
        AssertRejected("routing header 0", sourceRoute);
        byte[] loop = [.. Enumerable.Range(0, 12).SelectMany(_ => new byte[] { IpProtocol.DestinationOptions, 0, 1, 4, 0, 0, 0, 0 })];
        AssertRejected("endless chain", PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, loop));
        AssertRejected("header longer than the packet", PacketBuilder.Ip(A6, B6, IpProtocol.Udp, udp, 6, [IpProtocol.Udp, 200, 0, 0, 0, 0, 0, 0]));
    }

    [Fact]
    public void TryParseQuoted_accepts_a_cut_packet()
    {
        byte[] cut = PacketBuilder.Tcp(A4, B4, 1000, 443, TcpFlags.Ack, payload: 400)[..28];
        Assert.False(IpPacket.TryParse(cut, out _));
        Assert.True(IpPacket.TryParseQuoted(cut, out IpPacket packet));
        Assert.Equal((1000, 443), (packet.SourcePort, packet.DestinationPort));
        Assert.False(IpPacket.TryParseQuoted(cut.AsSpan(0, 27), out _));
    }

    [Fact]
    public void TryParse_classifies_icmp()
    {
        Assert.True(PacketBuilder.Parse(PacketBuilder.Echo(A4, B4)) is { Icmp: IcmpKind.EchoRequest, IcmpIdentifier: 77 });
        Assert.Equal(IcmpKind.EchoReply, PacketBuilder.Parse(PacketBuilder.Echo(A6, B6, reply: true)).Icmp);
        Assert.Equal(IcmpKind.Error, PacketBuilder.Parse(PacketBuilder.Icmp(A4, B4, 3, 1, new byte[28])).Icmp);
        Assert.Equal(IcmpKind.Other, PacketBuilder.Parse(PacketBuilder.Icmp(A4, B4, 5, 1, new byte[28])).Icmp);
        Assert.Equal(IcmpKind.Error, PacketBuilder.Parse(PacketBuilder.Icmp(A6, B6, 2, 0, new byte[48])).Icmp);
        Assert.Equal(IcmpKind.Other, PacketBuilder.Parse(PacketBuilder.Icmp(A6, B6, 134, 0, new byte[48])).Icmp);
    }

    [Fact]
    public void Mutated_packets_never_throw_and_never_lie_about_their_length()
    {
        var random = new Random(20260801);
        byte[] options = [2, 4, 5, 0xB4, 1, 1, 1, 0];
        byte[][] seeds =
        [
            PacketBuilder.Udp(A4, B4, 1, 2), PacketBuilder.Udp(A6, B6, 1, 2), PacketBuilder.Echo(A4, B4), PacketBuilder.Echo(A6, B6),
            PacketBuilder.Tcp(A4, B4, 1, 2, TcpFlags.Syn, options), PacketBuilder.Tcp(A6, B6, 1, 2, TcpFlags.Syn, options),
            PacketBuilder.Icmp(A4, B4, 3, 1, PacketBuilder.Udp(A4, B4, 1, 2)),
            PacketBuilder.Ip(A6, B6, IpProtocol.Udp, PacketBuilder.Udp(A6, B6, 5, 53)[40..], 6, [IpProtocol.Fragment, 0, 1, 4, 0, 0, 0, 0, IpProtocol.Udp, 0, 0, 1, 0, 0, 0, 9]),
        ];
        byte[] reply = new byte[IcmpReply.MaxLength];
        int accepted = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] packet = Mutate(seeds[i % seeds.Length], random);
            if (!IpPacket.TryParse(packet, out IpPacket ip))
            {
                continue;
            }

            accepted++;
            Assert.InRange(ip.TransportOffset, 20, ip.TotalLength);
            Assert.InRange(ip.TotalLength, 20, packet.Length);
            Assert.True(!ip.HasPorts || (ip.Protocol is IpProtocol.Tcp or IpProtocol.Udp && !ip.IsLaterFragment));
            if (ip.Icmp == IcmpKind.Error)
            {
                _ = IpPacket.TryParseQuoted(packet.AsSpan(ip.QuoteOffset..ip.TotalLength), out _);
            }

            TcpMss.Clamp(packet, ip, 1280);
            InternetChecksum.FixTransport(packet, ip);
            Assert.InRange(IcmpReply.WriteUnreachable(packet, ip, ip.Destination, UnreachableReason.NoRoute, reply), 0, reply.Length);
        }

        Assert.InRange(accepted, 20_000, 190_000);
    }

    internal static byte[] Mutate(byte[] seed, Random random)
    {
        byte[] copy = (byte[])seed.Clone();
        for (int n = random.Next(1, 5); n > 0; n--)
        {
            copy[random.Next(copy.Length)] = (byte)random.Next(256);
        }

        return random.Next(3) == 0 ? copy[..random.Next(copy.Length + 1)] : copy;
    }

    private static byte[] Changed(byte[] packet, int offset, byte value)
    {
        byte[] copy = (byte[])packet.Clone();
        copy[offset] = value;
        return copy;
    }

    private static void AssertRejected(string why, byte[] packet)
    {
        Assert.False(IpPacket.TryParse(packet, out _), why);
    }
}

using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Packets;

public class ChecksumAndReplyTests
{
    private const string A4 = "100.64.1.2";
    private const string B4 = "100.64.3.4";
    private const string A6 = "fdf8:43cd:6db1::1";
    private const string B6 = "fdf8:43cd:6db1::2";

    [Fact]
    public void Compute_matches_the_definition_for_every_length()
    {
        var random = new Random(1);
        byte[] data = new byte[300];
        random.NextBytes(data);
        for (int length = 0; length <= data.Length; length++)
        {
            Assert.Equal(PacketBuilder.Checksum(data.AsSpan(0, length)), InternetChecksum.Compute(data.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Compute_gives_the_example_of_RFC_1071()
    {
        Assert.Equal(0xFFFF - 0xDDF2, InternetChecksum.Compute([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]));
    }

    [Fact]
    public void Update_gives_the_example_of_RFC_1624()
    {
        Assert.Equal(0x0000, InternetChecksum.Update(0xDD2F, (ushort)0x5555, (ushort)0x3285));
    }

    [Fact]
    public void Update_equals_recomputing()
    {
        var random = new Random(2);
        byte[] data = new byte[40];
        for (int i = 0; i < 2000; i++)
        {
            random.NextBytes(data);
            ushort before = InternetChecksum.Compute(data);
            uint old = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(8));
            uint fresh = (uint)random.NextInt64(uint.MaxValue);
            BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(8), fresh);
            Assert.Equal(InternetChecksum.Compute(data), InternetChecksum.Update(before, old, fresh));
        }
    }

    [Theory]
    [InlineData(A4, B4)]
    [InlineData(A6, B6)]
    public void FixTransport_repairs_every_known_protocol(string a, string b)
    {
        foreach (byte[] packet in new[] { PacketBuilder.Udp(a, b, 1, 2, 17), PacketBuilder.Tcp(a, b, 1, 2, 2), PacketBuilder.Echo(a, b) })
        {
            Assert.True(PacketBuilder.IsSound(packet));
            packet[^1] ^= 0x55;
            Assert.False(PacketBuilder.IsSound(packet));
            InternetChecksum.FixTransport(packet, PacketBuilder.Parse(packet));
            Assert.True(PacketBuilder.IsSound(packet));
        }
    }

    [Theory]
    [InlineData(A4, B4, UnreachableReason.NoRoute, 3, 0)]
    [InlineData(A4, B4, UnreachableReason.Host, 3, 1)]
    [InlineData(A4, B4, UnreachableReason.Port, 3, 3)]
    [InlineData(A4, B4, UnreachableReason.AdministrativelyProhibited, 3, 13)]
    [InlineData(A6, B6, UnreachableReason.NoRoute, 1, 0)]
    [InlineData(A6, B6, UnreachableReason.Host, 1, 3)]
    [InlineData(A6, B6, UnreachableReason.Port, 1, 4)]
    [InlineData(A6, B6, UnreachableReason.AdministrativelyProhibited, 1, 1)]
    public void WriteUnreachable_builds_a_sound_error(string a, string b, UnreachableReason reason, byte type, byte code)
    {
        byte[] original = PacketBuilder.Udp(a, b, 1000, 53, 1400);
        IpPacket packet = PacketBuilder.Parse(original);
        byte[] reply = new byte[IcmpReply.MaxLength];
        int length = IcmpReply.WriteUnreachable(original, packet, packet.Destination, reason, reply);
        ReadOnlySpan<byte> error = reply.AsSpan(0, length);
        Assert.True(PacketBuilder.IsSound(error));
        IpPacket ip = PacketBuilder.Parse(error);
        Assert.Equal((b, a), (ip.Source.ToString(), ip.Destination.ToString()));
        Assert.Equal((type, code), (error[ip.TransportOffset], error[ip.TransportOffset + 1]));
        Assert.Equal(packet.IsIpv4 ? 576 : 1280, length);
        Assert.True(IpPacket.TryParseQuoted(error[ip.QuoteOffset..], out IpPacket quoted));
        Assert.Equal((1000, 53), (quoted.SourcePort, quoted.DestinationPort));
    }

    [Theory]
    [InlineData(A4, B4, 1380)]
    [InlineData(A6, B6, 1380)]
    public void WriteTooBig_carries_the_mtu(string a, string b, int mtu)
    {
        byte[] original = PacketBuilder.Tcp(a, b, 1000, 80, TcpFlags.Ack, payload: 1400);
        IpPacket packet = PacketBuilder.Parse(original);
        byte[] reply = new byte[IcmpReply.MaxLength];
        int length = IcmpReply.WriteTooBig(original, packet, packet.Destination, mtu, reply);
        Assert.True(PacketBuilder.IsSound(reply.AsSpan(0, length)));
        int offset = PacketBuilder.Parse(reply.AsSpan(0, length)).TransportOffset;
        Assert.Equal((uint)mtu, BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(offset + 4)));
        Assert.Equal(packet.IsIpv4 ? (3, 4) : (2, 0), (reply[offset], reply[offset + 1]));
    }

    [Fact]
    public void No_error_is_sent_about_errors_fragments_or_multicast()
    {
        byte[] later = PacketBuilder.Udp(A4, B4, 1, 2);
        later[7] = 2;
        AssertSilent(PacketBuilder.Icmp(A4, B4, 3, 1, new byte[28]));
        AssertSilent(PacketBuilder.Icmp(A6, B6, 1, 0, new byte[48]));
        AssertSilent(later);
        AssertSilent(PacketBuilder.Udp(A4, "239.1.1.1", 1, 2));
        AssertSilent(PacketBuilder.Udp("0.0.0.0", B4, 1, 2));
        AssertSilent(PacketBuilder.Udp("127.0.0.1", B4, 1, 2));
        AssertSilent(PacketBuilder.Udp(A6, "ff02::1", 1, 2));
        byte[] good = PacketBuilder.Udp(A4, B4, 1, 2);
        Assert.Equal(0, IcmpReply.WriteUnreachable(good, PacketBuilder.Parse(good), PacketBuilder.Parse(good).Destination, UnreachableReason.Port, new byte[30]));
        Assert.NotEqual(0, IcmpReply.WriteUnreachable(good, PacketBuilder.Parse(good), PacketBuilder.Parse(good).Destination, UnreachableReason.Port, new byte[600]));
    }

    [Theory]
    [InlineData(A4, B4, 1240)]
    [InlineData(A6, B6, 1220)]
    public void Clamp_lowers_the_mss_and_keeps_the_checksum(string a, string b, ushort expected)
    {
        byte[][] optionSets = [[2, 4, 5, 0xB4], [1, 2, 4, 5, 0xB4, 0, 0, 0], [4, 2, 1, 2, 4, 5, 0xB4, 0]];
        foreach (byte[] options in optionSets)
        {
            byte[] packet = PacketBuilder.Tcp(a, b, 1, 80, TcpFlags.Syn, options);
            IpPacket ip = PacketBuilder.Parse(packet);
            Assert.True(TcpMss.Clamp(packet, ip, 1280));
            Assert.True(PacketBuilder.IsSound(packet));
            int at = ip.TransportOffset + 20 + Array.IndexOf(options, (byte)2, options[0] == 4 ? 2 : 0) + 2;
            Assert.Equal(expected, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at)));
            Assert.False(TcpMss.Clamp(packet, ip, 1280));
        }
    }

    [Fact]
    public void Clamp_leaves_everything_else_alone()
    {
        byte[] data = PacketBuilder.Tcp(A4, B4, 1, 80, TcpFlags.Ack, [2, 4, 5, 0xB4]);
        Assert.False(TcpMss.Clamp(data, PacketBuilder.Parse(data), 1280));
        byte[] broken = PacketBuilder.Tcp(A4, B4, 1, 80, TcpFlags.Syn, [9, 0, 2, 4]);
        Assert.False(TcpMss.Clamp(broken, PacketBuilder.Parse(broken), 1280));
        byte[] udp = PacketBuilder.Udp(A4, B4, 1, 80);
        Assert.False(TcpMss.Clamp(udp, PacketBuilder.Parse(udp), 1280));
    }

    private static void AssertSilent(byte[] packet)
    {
        IpPacket ip = PacketBuilder.Parse(packet);
        var source = PacketAddress.From(System.Net.IPAddress.Parse(ip.IsIpv4 ? B4 : B6));
        Assert.Equal(0, IcmpReply.WriteUnreachable(packet, ip, source, UnreachableReason.Host, new byte[IcmpReply.MaxLength]));
    }
}

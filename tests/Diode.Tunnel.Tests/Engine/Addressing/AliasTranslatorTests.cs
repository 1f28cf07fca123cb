using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Addressing;

public class AliasTranslatorTests
{
    private readonly AddressBookEntry _self;
    private readonly AddressBookEntry _peer;
    private readonly string _selfLocal;
    private readonly string _selfOwn;
    private readonly string _peerLocal;
    private readonly string _peerOwn;

    public AliasTranslatorTests()
    {
        _ = AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool);
        var book = AddressBook.Build(AddressBookTests.Device(0), [AddressBookTests.Device(1)], pool!, []);
        _self = book.Self;
        _peer = book.Entries[0];
        _selfLocal = _self.LocalIpv4.ToString();
        _selfOwn = _self.OwnIpv4.ToString();
        _peerLocal = _peer.LocalIpv4.ToString();
        _peerOwn = _peer.OwnIpv4.ToString();
    }

    [Fact]
    public void Packets_of_every_protocol_are_translated_both_ways_with_sound_checksums()
    {
        foreach (Func<string, string, byte[]> build in new Func<string, string, byte[]>[]
        {
            (a, b) => PacketBuilder.Udp(a, b, 1000, 53, 33),
            (a, b) => PacketBuilder.Tcp(a, b, 1000, 443, TcpFlags.Syn, payload: 7),
            (a, b) => PacketBuilder.Echo(a, b),
            (a, b) => PacketBuilder.Ip(a, b, 47, new byte[20]),
        })
        {
            byte[] packet = build(_selfLocal, _peerLocal);
            IpPacket ip = PacketBuilder.Parse(packet);
            Assert.Equal(TranslationResult.Translated, AliasTranslator.Outbound(packet, ref ip, _self, _peer));
            Assert.Equal((_self.OwnIpv4, _peer.OwnIpv4), (ip.Source, ip.Destination));
            Assert.Equal(build(_selfOwn, _peerOwn), packet);

            packet = build(_peerOwn, _selfOwn);
            ip = PacketBuilder.Parse(packet);
            Assert.Equal(TranslationResult.Translated, AliasTranslator.Inbound(packet, ref ip, _self, _peer));
            Assert.Equal(build(_peerLocal, _selfLocal), packet);
        }
    }

    [Fact]
    public void Udp_without_checksum_stays_without()
    {
        byte[] packet = PacketBuilder.Udp(_selfLocal, _peerLocal, 1, 2);
        packet[26] = packet[27] = 0;
        IpPacket ip = PacketBuilder.Parse(packet);
        AliasTranslator.Outbound(packet, ref ip, _self, _peer);
        Assert.True(packet[26] == 0 && packet[27] == 0 && PacketBuilder.IsSound(packet));
    }

    [Fact]
    public void Later_fragments_change_in_the_header_only()
    {
        byte[] packet = PacketBuilder.Udp(_selfLocal, _peerLocal, 1, 2);
        packet[7] = 5;
        PacketBuilder.FixHeader(packet);
        byte[] body = packet[20..];
        IpPacket ip = PacketBuilder.Parse(packet);
        Assert.Equal(TranslationResult.Translated, AliasTranslator.Outbound(packet, ref ip, _self, _peer));
        Assert.Equal(body, packet[20..]);
        Assert.Equal(0, PacketBuilder.Checksum(packet.AsSpan(0, 20)));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(28)] // only eight bytes of TCP: its checksum is not in the quote
    [InlineData(40)]
    public void Quoted_packets_of_errors_are_translated_too(int quoteLength)
    {
        foreach (bool tcp in new[] { true, false })
        {
            byte[] Sent(string a, string b)
            {
                byte[] sent = tcp ? PacketBuilder.Tcp(a, b, 1000, 80, TcpFlags.Ack, payload: 60) : PacketBuilder.Udp(a, b, 1000, 80, 60);
                return sent[..Math.Min(sent.Length, quoteLength)];
            }

            byte[] error = PacketBuilder.Icmp(_peerOwn, _selfOwn, 3, 3, Sent(_selfOwn, _peerOwn));
            IpPacket ip = PacketBuilder.Parse(error);
            Assert.Equal(TranslationResult.Translated, AliasTranslator.Inbound(error, ref ip, _self, _peer));
            Assert.True(PacketBuilder.IsSound(error));
            Assert.Equal(Sent(_selfLocal, _peerLocal), error[28..]);
            Assert.Equal((_peer.LocalIpv4, _self.LocalIpv4), (ip.Source, ip.Destination));

            byte[] outbound = PacketBuilder.Icmp(_selfLocal, _peerLocal, 3, 3, Sent(_peerLocal, _selfLocal));
            ip = PacketBuilder.Parse(outbound);
            Assert.Equal(TranslationResult.Translated, AliasTranslator.Outbound(outbound, ref ip, _self, _peer));
            Assert.True(PacketBuilder.IsSound(outbound));
            Assert.Equal(Sent(_peerOwn, _selfOwn), outbound[28..]);
        }
    }

    [Fact]
    public void Foreign_addresses_are_refused_and_left_alone()
    {
        AssertInbound(TranslationResult.ForeignSource, PacketBuilder.Udp("100.64.9.9", _selfOwn, 1, 2));
        AssertInbound(TranslationResult.ForeignSource, PacketBuilder.Udp(_peerLocal, _selfOwn, 1, 2));
        AssertInbound(TranslationResult.ForeignDestination, PacketBuilder.Udp(_peerOwn, "8.8.8.8", 1, 2));
        AssertInbound(TranslationResult.ForeignSource, PacketBuilder.Udp("fdf8:43cd:6db1::1", _self.Ipv6.ToString(), 1, 2));
        AssertInbound(TranslationResult.ForeignDestination, PacketBuilder.Udp(_peer.Ipv6.ToString(), "fdf8:43cd:6db1::1", 1, 2));
        AssertInbound(TranslationResult.Unchanged, PacketBuilder.Udp(_peer.Ipv6.ToString(), _self.Ipv6.ToString(), 1, 2));
        byte[] outbound = PacketBuilder.Udp("192.168.1.1", _peerLocal, 1, 2);
        IpPacket ip = PacketBuilder.Parse(outbound);
        Assert.Equal(TranslationResult.ForeignSource, AliasTranslator.Outbound(outbound, ref ip, _self, _peer));
    }

    [Fact]
    public void Two_devices_with_the_same_address_talk_through_aliases()
    {
        (Address first, Address second) = AddressBookTests.FindCollision();
        var here = AddressBook.Build(first, [second], AddressPool.Default, []);
        var there = AddressBook.Build(second, [first], AddressPool.Default, []);
        byte[] packet = PacketBuilder.Tcp(here.Self.LocalIpv4.ToString(), here.Entries[0].LocalIpv4.ToString(), 1000, 22, TcpFlags.Syn);
        IpPacket ip = PacketBuilder.Parse(packet);
        Assert.Equal(TranslationResult.Translated, AliasTranslator.Outbound(packet, ref ip, here.Self, here.Entries[0]));
        Assert.Equal(ip.Source, ip.Destination);
        Assert.Equal(TranslationResult.Translated, AliasTranslator.Inbound(packet, ref ip, there.Self, there.Entries[0]));
        Assert.Equal((there.Entries[0].LocalIpv4, there.Self.LocalIpv4), (ip.Source, ip.Destination));
        Assert.True(PacketBuilder.IsSound(packet));
    }

    [Fact]
    public void Peer_without_a_local_address_is_reported()
    {
        var book = AddressBook.Build(
            AddressBookTests.Device(0), [AddressBookTests.Device(1)], AddressPool.Default, [IPNetwork.Parse("100.64.0.0/10")]);
        byte[] packet = PacketBuilder.Udp(_peerOwn, _selfOwn, 1, 2);
        IpPacket ip = PacketBuilder.Parse(packet);
        Assert.Equal(TranslationResult.NoLocalAddress, AliasTranslator.Inbound(packet, ref ip, book.Self, book.Entries[0]));
    }

    [Fact]
    public void Mutated_packets_never_throw()
    {
        var random = new Random(5);
        byte[][] seeds =
        [
            PacketBuilder.Icmp(_peerOwn, _selfOwn, 3, 3, PacketBuilder.Tcp(_selfOwn, _peerOwn, 1, 2, 16, payload: 9)),
            PacketBuilder.Tcp(_peerOwn, _selfOwn, 1, 2, 16),
            PacketBuilder.Udp(_peerOwn, _selfOwn, 1, 2),
        ];
        for (int i = 0; i < 100_000; i++)
        {
            byte[] packet = IpPacketTests.Mutate(seeds[i % seeds.Length], random);
            if (IpPacket.TryParse(packet, out IpPacket ip))
            {
                AliasTranslator.Inbound(packet, ref ip, _self, _peer);
            }
        }
    }

    [Fact]
    public void Translation_allocates_nothing()
    {
        byte[] packet = PacketBuilder.Icmp(_selfLocal, _peerLocal, 3, 3, PacketBuilder.Tcp(_peerLocal, _selfLocal, 1, 2, 16, payload: 9));
        byte[] work = new byte[packet.Length];
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 5_000; i++)
            {
                packet.CopyTo(work, 0);
                _ = IpPacket.TryParse(work, out IpPacket ip);
                AliasTranslator.Outbound(work, ref ip, _self, _peer);
                TcpMss.Clamp(work, ip, 1280);
            }
        }));
    }

    private void AssertInbound(TranslationResult expected, byte[] packet)
    {
        byte[] before = (byte[])packet.Clone();
        IpPacket ip = PacketBuilder.Parse(packet);
        Assert.Equal(expected, AliasTranslator.Inbound(packet, ref ip, _self, _peer));
        Assert.Equal(before, packet);
    }
}

using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Names;

public class DnsResponderTests
{
    private const ushort A = 1;
    private const ushort Ptr = 12;
    private const ushort Txt = 16;
    private const ushort Aaaa = 28;
    private const ushort Any = 255;
    private static readonly Address Self = Device(1);
    private static readonly Address Laptop = Device(2);
    private static readonly Address Server = Device(3);
    private static readonly AddressBook Book = AddressBook.Build(Self, [Laptop, Server, Device(4)], AddressPool.Default, []);
    private static readonly NameTable Table = NameTable.Create(
        [
            Fleet("home", new FleetMember(Self, "me"), new FleetMember(Laptop, "laptop"), new FleetMember(Server, "server")),
            Fleet("work", new FleetMember(Laptop, "laptop"), new FleetMember(Device(4), "server"), new FleetMember(Device(9), "gone")),
        ],
        Book,
        [new("cluster", [Laptop, Server]), new("laptop", [Server])]);

    [Fact]
    public void Names_of_members_resolve_in_both_families()
    {
        AddressBookEntry laptop = Book.Find(Laptop)!;
        Assert.Equal([laptop.LocalIpv4.ToString()], Addresses("laptop.home.diode", A));
        Assert.Equal([laptop.Ipv6.ToString()], Addresses("laptop.home.diode", Aaaa));
        Assert.Equal([laptop.LocalIpv4.ToString()], Addresses("LapTop.Work.DIODE", A));
        Assert.Equal([Book.Self.LocalIpv4.ToString()], Addresses("me.home.diode", A));
        Assert.Equal([laptop.LocalIpv4.ToString()], Addresses($"{Laptop}.diode", A));
        Assert.Equal([Book.Self.Ipv6.ToString()], Addresses($"{Self}.diode", Aaaa));
        Assert.Equal([laptop.LocalIpv4.ToString()], Addresses("laptop.diode", Any));
    }

    [Fact]
    public void Short_names_answer_only_if_they_mean_one_device()
    {
        Assert.Single(Addresses("laptop.diode", A)); // the same device in both fleets; fleets come before other names
        Assert.Equal([Book.Find(Laptop)!.LocalIpv4.ToString()], Addresses("laptop.diode", A));
        Assert.Equal(3, Code("server.diode", A));
        Assert.Contains(Table.Conflicts, c => c.Contains("server.diode", StringComparison.Ordinal));
        Assert.Equal(2, Addresses("cluster.diode", A).Length);
    }

    [Theory]
    [InlineData("laptop.home.diode", Txt, 0)]
    [InlineData("home.diode", A, 0)] // a fleet exists, or resolvers would deny what is below it
    [InlineData("diode", A, 0)]
    [InlineData("nobody.home.diode", A, 3)]
    [InlineData("x.laptop.home.diode", A, 3)]
    [InlineData("nowhere.diode", Aaaa, 3)]
    [InlineData("0x00000000000000000000000000000000000000ff.diode", A, 3)]
    [InlineData("gone.work.diode", A, 0)] // a member without an address here
    public void What_is_not_there_is_denied_with_a_soa_and_never_forwarded(string name, ushort type, int code)
    {
        byte[] reply = Ask(name, type);
        Assert.Equal(code, DnsMessage.Code(reply));
        Assert.NotEqual(0, reply[2] & 4); // authoritative
        Assert.Equal((0, 1), (DnsMessage.Count(reply, 6), DnsMessage.Count(reply, 8)));
        int offset = QuestionEnd(reply);
        Assert.True(DnsMessage.TryReadRecord(reply, ref offset, out DnsRecord soa));
        Assert.Equal(("diode", (ushort)6, DnsResponder.TimeToLive), (soa.Name, soa.Type, soa.TimeToLive));
        Assert.Equal(reply.Length, offset);
    }

    [Fact]
    public void Device_without_local_ipv4_has_no_A_but_AAAA()
    {
        var book = AddressBook.Build(Self, [Laptop], AddressPool.Default, [IPNetwork.Parse("100.64.0.0/10")]);
        var table = NameTable.Create([Fleet("home", new FleetMember(Laptop, "laptop"))], book);
        Assert.Empty(Addresses("laptop.home.diode", A, table));
        Assert.Equal(0, DnsMessage.Code(Ask("laptop.home.diode", A, table)));
        Assert.Single(Addresses("laptop.home.diode", Aaaa, table));
        Assert.Single(Addresses("laptop.home.diode", Any, table));
    }

    [Fact]
    public void Reverse_names_of_virtual_addresses_are_answered_here()
    {
        AddressBookEntry laptop = Book.Find(Laptop)!;
        Assert.Equal("laptop.home.diode", PointerTo(Reverse(laptop.LocalIpv4.ToIPAddress())));
        Assert.Equal("laptop.home.diode", PointerTo(Reverse(laptop.Ipv6.ToIPAddress())));
        Assert.Equal("server.work.diode", PointerTo(Reverse(Book.Find(Device(4))!.Ipv6.ToIPAddress())));
        Assert.Equal(3, Code(Reverse(IPAddress.Parse("100.64.0.9")), Ptr));
        Assert.Equal(3, Code(Reverse(IPAddress.Parse("fdf8:43cd:6db1::9")), Ptr));
        Assert.Equal(0, Code(Reverse(laptop.LocalIpv4.ToIPAddress()), A));
        AssertForwarded(DnsQueryBuilder.Query(Reverse(IPAddress.Parse("8.8.8.8")), Ptr));
        AssertForwarded(DnsQueryBuilder.Query(Reverse(IPAddress.Parse("fd00::1")), Ptr));
        AssertForwarded(DnsQueryBuilder.Query("256.64.64.100.in-addr.arpa", Ptr));
    }

    [Fact]
    public void Everything_else_is_forwarded()
    {
        foreach (string name in new[] { "example.com", "diode.example", "xdiode", "laptop.home.diode.com", "", "com", "laptop\\.home.diodee" })
        {
            AssertForwarded(DnsQueryBuilder.Query(name, A));
        }
    }

    [Fact]
    public void A_label_with_a_dot_inside_is_not_two_labels()
    {
        byte[] query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, .. "laptop.home"u8, 5, .. "diode"u8, 0, 0, 1, 0, 1];
        byte[] reply = new byte[1232];
        Assert.Equal(DnsOutcome.Reply, DnsResponder.Respond(Table, query, false, reply, out _));
        Assert.Equal(3, DnsMessage.Code(reply));
    }

    [Fact]
    public void Edns_is_answered_with_edns_and_unknown_versions_refused()
    {
        byte[] reply = Ask("laptop.home.diode", A, edns: 1400);
        Assert.Equal(1, DnsMessage.Count(reply, 10));
        int offset = QuestionEnd(reply);
        Assert.True(DnsMessage.TryReadRecord(reply, ref offset, out _));
        Assert.True(DnsMessage.TryReadRecord(reply, ref offset, out DnsRecord opt));
        Assert.Equal((41, 1232), (opt.Type, opt.Class));
        byte[] buffer = new byte[1232];
        DnsResponder.Respond(Table, DnsQueryBuilder.Query("laptop.home.diode", A, edns: 1400, ednsVersion: 1), false, buffer, out int length);
        offset = QuestionEnd(buffer);
        Assert.True(DnsMessage.TryReadRecord(buffer.AsSpan(0, length), ref offset, out opt));
        Assert.Equal(1u, opt.TimeToLive >> 24); // extended code 16, "bad version"
    }

    [Fact]
    public void Long_answers_are_truncated_over_udp_and_whole_over_tcp()
    {
        Address[] many = [.. Enumerable.Range(100, 60).Select(Device)];
        var table = NameTable.Create([], AddressBook.Build(Self, many, AddressPool.Default, []), [new("many", [.. many])]);
        byte[] query = DnsQueryBuilder.Query("many.diode", Aaaa);
        byte[] reply = new byte[16_384];
        DnsResponder.Respond(table, query, overTcp: false, reply, out int length);
        Assert.InRange(length, 400, 512);
        Assert.NotEqual(0, reply[2] & 2);
        DnsResponder.Respond(table, query, overTcp: true, reply, out length);
        Assert.Equal(0, reply[2] & 2);
        Assert.Equal(60, DnsMessage.Count(reply, 6));
    }

    [Fact]
    public void Odd_queries_get_the_code_they_deserve()
    {
        byte[] reply = new byte[1232];
        byte[] good = DnsQueryBuilder.Query("laptop.home.diode", A);
        byte[] response = (byte[])good.Clone();
        response[2] |= 0x80;
        Assert.Equal(DnsOutcome.Ignore, DnsResponder.Respond(Table, response, false, reply, out _));
        Assert.Equal(DnsOutcome.Ignore, DnsResponder.Respond(Table, good.AsSpan(0, 11), false, reply, out _));
        byte[] update = (byte[])good.Clone();
        update[2] = 5 << 3;
        Assert.Equal(4, CodeOf(update));
        byte[] two = (byte[])good.Clone();
        two[5] = 2;
        Assert.Equal(1, CodeOf(two));
        Assert.Equal(1, CodeOf(good[..^1]));
        Assert.Equal(5, CodeOf(DnsQueryBuilder.Query("laptop.home.diode", A, dnsClass: 3)));

        int CodeOf(byte[] query)
        {
            Assert.Equal(DnsOutcome.Reply, DnsResponder.Respond(Table, query, false, reply, out int length));
            Assert.Equal(query[..2], reply[..2]);
            return DnsMessage.Code(reply.AsSpan(0, length));
        }
    }

    [Fact]
    public void Compression_is_followed_backwards_only_and_within_bounds()
    {
        byte[] message = [.. new byte[12], 3, .. "abc"u8, 0, 2, .. "de"u8, 0xC0, 12, 0xC0, 17, 0xC0, 23, 0xC0];
        Assert.Equal(("abc", 17), Read(12));
        Assert.Equal(("de.abc", 22), Read(17));
        Assert.Equal(("de.abc", 24), Read(22));
        Assert.Equal((null, 0), Read(24)); // forward or to itself
        Assert.Equal((null, 0), Read(26));
        Assert.Equal((null, 0), Read(999));
        byte[] chain = new byte[300];
        chain[12] = 0;
        for (int i = 13; i < 299; i += 2)
        {
            chain[i] = 0xC0;
            chain[i + 1] = (byte)(i == 13 ? 12 : i - 2);
        }

        int at = 13 + (2 * 40);
        Assert.False(DnsMessage.TryReadName(chain, ref at, out _));
        byte[] tooLong = [.. new byte[12], .. Enumerable.Repeat<byte[]>([63, .. new byte[63]], 4).SelectMany(b => b), 0];
        at = 12;
        Assert.False(DnsMessage.TryReadName(tooLong, ref at, out _));

        (string? Name, int Offset) Read(int offset)
        {
            return DnsMessage.TryReadName(message, ref offset, out string name) ? (name, offset) : (null, 0);
        }
    }

    [Fact]
    public void Mutated_messages_never_throw()
    {
        var random = new Random(6);
        byte[][] seeds =
        [
            DnsQueryBuilder.Query("laptop.home.diode", A, edns: 1232),
            DnsQueryBuilder.Query(Reverse(Book.Find(Laptop)!.Ipv6.ToIPAddress()), Ptr),
            DnsQueryBuilder.Query("cluster.diode", Any),
            DnsQueryBuilder.Response(DnsQueryBuilder.Query("www.example.com", A)),
            Ask("cluster.diode", Aaaa, edns: 4000),
        ];
        byte[] reply = new byte[1232];
        int replies = 0;
        for (int i = 0; i < 150_000; i++)
        {
            byte[] seed = seeds[i % seeds.Length];
            byte[] message = Packets.IpPacketTests.Mutate(seed, random);
            DnsOutcome outcome = DnsResponder.Respond(Table, message, false, reply, out int length);
            replies += outcome == DnsOutcome.Reply ? 1 : 0;
            Assert.InRange(length, outcome == DnsOutcome.Reply ? 12 : 0, reply.Length);
            DnsMessage.IsResponseTo(message, seed);
            DnsResponder.WriteServerFailure(message, reply);
            int offset = 12;
            for (int n = 0; n < 20 && DnsMessage.TryReadRecord(message, ref offset, out DnsRecord record); n++)
            {
                Assert.True(record.DataOffset + record.DataLength <= message.Length);
            }
        }

        Assert.InRange(replies, 30_000, 140_000);
    }

    [Fact]
    public void Two_fleets_of_one_name_are_reported()
    {
        var table = NameTable.Create(
            [Fleet("home", new FleetMember(Laptop, "a")), Fleet("home", new FleetMember(Server, "a"), new FleetMember(Server, "b"))], Book);
        Assert.Equal([Book.Find(Laptop)!.LocalIpv4.ToString()], Addresses("a.home.diode", A, table));
        Assert.Contains(table.Conflicts, c => c.Contains("two fleets", StringComparison.Ordinal));
    }

    internal static Address Device(int number)
    {
        return new Address([.. new byte[16], .. BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(number + 0x01000000))]);
    }

    internal static FleetSnapshot Fleet(string name, params FleetMember[] members)
    {
        return new FleetSnapshot(Device(1000), name, 1, null, members, FleetAssurance.SignedManifest, "test");
    }

    internal static string[] ReadAddresses(byte[] reply)
    {
        var addresses = ImmutableArray.CreateBuilder<string>();
        int offset = QuestionEnd(reply);
        for (int i = 0; i < DnsMessage.Count(reply, 6); i++)
        {
            Assert.True(DnsMessage.TryReadRecord(reply, ref offset, out DnsRecord record));
            addresses.Add(new IPAddress(reply.AsSpan(record.DataOffset, record.DataLength)).ToString());
        }

        return [.. addresses];
    }

    private static int QuestionEnd(byte[] message)
    {
        int offset = 12;
        Assert.True(DnsMessage.TryReadName(message, ref offset, out _));
        return offset + 4;
    }

    private static string Reverse(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        return bytes.Length == 4
            ? string.Join('.', bytes.Reverse()) + ".in-addr.arpa"
            : string.Join('.', Convert.ToHexStringLower(bytes).Reverse()) + ".ip6.arpa";
    }

    private static byte[] Ask(string name, ushort type, NameTable? table = null, int edns = -1)
    {
        byte[] reply = new byte[1232];
        byte[] query = DnsQueryBuilder.Query(name, type, edns: edns);
        Assert.Equal(DnsOutcome.Reply, DnsResponder.Respond(table ?? Table, query, false, reply, out int length));
        reply = reply[..length];
        Assert.True(DnsMessage.IsResponseTo(reply, query));
        return reply;
    }

    private static int Code(string name, ushort type)
    {
        return DnsMessage.Code(Ask(name, type));
    }

    private static string[] Addresses(string name, ushort type, NameTable? table = null)
    {
        return ReadAddresses(Ask(name, type, table));
    }

    private static string PointerTo(string name)
    {
        byte[] reply = Ask(name, Ptr);
        int offset = QuestionEnd(reply);
        Assert.True(DnsMessage.TryReadRecord(reply, ref offset, out DnsRecord record));
        offset = record.DataOffset;
        Assert.True(DnsMessage.TryReadName(reply, ref offset, out string target));
        return target;
    }

    private static void AssertForwarded(byte[] query)
    {
        Assert.Equal(DnsOutcome.Forward, DnsResponder.Respond(Table, query, false, new byte[1232], out int length));
        Assert.Equal(0, length);
    }
}

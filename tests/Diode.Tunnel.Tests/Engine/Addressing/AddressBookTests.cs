using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Addressing;

public class AddressBookTests
{
    private static readonly Address Self = Device(0);

    // Two devices with the same IPv4 address in the default pool, found by search once.
    private static readonly (Address First, Address Second) Colliding = FindCollision();

    [Fact]
    public void Entries_keep_their_own_addresses_when_nothing_collides()
    {
        AddressBook book = Build([Device(1), Device(2), Self, Device(1)]);
        Assert.Equal(2, book.Entries.Length);
        foreach (AddressBookEntry entry in book.Entries)
        {
            Assert.Equal(entry.OwnIpv4, entry.LocalIpv4);
            Assert.Equal(AliasReason.None, entry.AliasReason);
        }

        Assert.Equal(VirtualAddresses.Ipv4(Self), book.Self.LocalIpv4);
        Assert.True(book.IsSelf(book.Self.Ipv6));
    }

    [Fact]
    public void TryFind_finds_by_both_families_and_by_device()
    {
        AddressBook book = Build([.. Enumerable.Range(1, 500).Select(Device)]);
        Span<byte> bytes = stackalloc byte[16];
        for (int i = 0; i < book.Entries.Length; i++)
        {
            AddressBookEntry entry = book.Entries[i];
            Assert.True(book.TryFind(entry.LocalIpv4, out int index) && index == i);
            Assert.True(book.TryFind(entry.Ipv6, out index) && index == i);
            Assert.True(book.TryFind(bytes[..entry.Ipv6.CopyTo(bytes)], out index) && index == i);
            Assert.True(book.TryFind(bytes[..entry.LocalIpv4.CopyTo(bytes)], out index) && index == i);
            Assert.True(book.TryFind(entry.Device, out index) && index == i);
        }

        Assert.False(book.TryFind(PacketAddress.FromIpv4(0x08080808), out int none));
        Assert.Equal(-1, none);
        Assert.False(book.TryFind(book.Self.LocalIpv4, out _));
        Assert.False(book.TryFind(Device(9999), out _));
        Assert.False(book.TryFind([1, 2, 3], out _));
    }

    [Fact]
    public void Second_of_two_colliding_peers_gets_an_alias_and_keeps_it()
    {
        AddressBook book = Build([Colliding.First, Colliding.Second]);
        AddressBookEntry second = book.Entries[1];
        Assert.False(book.Entries[0].IsAliased);
        Assert.True(second.IsAliased);
        Assert.Equal(AliasReason.CollidesWithPeer, second.AliasReason);
        Assert.Equal(book.Entries[0].OwnIpv4, second.OwnIpv4);
        Assert.True(AddressPool.Default.Contains(second.LocalIpv4));
        Assert.True(book.TryFind(second.LocalIpv4, out int index) && index == 1);

        // Other order, other members, even the first one gone: connections to the alias must survive.
        foreach (Address[] devices in new[] { [Colliding.Second, Device(5), Colliding.First], new[] { Colliding.Second } })
        {
            AddressBook next = Build(devices, previous: book);
            Assert.Equal(second.LocalIpv4, next.Find(Colliding.Second)!.LocalIpv4);
            Assert.Equal(AliasReason.Kept, next.Find(Colliding.Second)!.AliasReason);
        }
    }

    [Fact]
    public void A_peer_with_this_devices_address_gets_an_alias()
    {
        var book = AddressBook.Build(Colliding.First, [Colliding.Second], AddressPool.Default, []);
        Assert.False(book.Self.IsAliased);
        Assert.Equal(AliasReason.CollidesWithSelf, book.Entries[0].AliasReason);
        Assert.NotEqual(book.Self.LocalIpv4, book.Entries[0].LocalIpv4);
    }

    [Fact]
    public void A_peer_inside_a_local_route_gets_an_alias_outside_of_it()
    {
        PacketAddress own = VirtualAddresses.Ipv4(Device(1));
        var route = new IPNetwork(PacketAddress.FromIpv4(own.Ipv4 & 0xFFFF_0000).ToIPAddress(), 16);
        AddressBook book = Build([Device(1)], routes: [route]);
        Assert.Equal(AliasReason.LocalRoute, book.Entries[0].AliasReason);
        Assert.False(route.Contains(book.Entries[0].LocalIpv4.ToIPAddress()));
        Assert.Equal(own, book.Entries[0].OwnIpv4);
    }

    [Fact]
    public void Default_routes_and_halves_are_not_in_the_way()
    {
        AddressBook book = Build([Device(1)], routes: [IPNetwork.Parse("0.0.0.0/0"), IPNetwork.Parse("0.0.0.0/1"), IPNetwork.Parse("::/0")]);
        Assert.False(book.Entries[0].IsAliased);
    }

    [Fact]
    public void When_a_route_covers_the_whole_pool_there_is_no_ipv4_but_ipv6()
    {
        AddressBook book = Build([Device(1), Device(2)], routes: [IPNetwork.Parse("100.64.0.0/10")]);
        Assert.True(book.Entries[0].LocalIpv4.IsNone);
        Assert.True(book.TryFind(book.Entries[1].Ipv6, out int index) && index == 1);
        Assert.False(book.TryFind(PacketAddress.None, out _));
    }

    [Fact]
    public void Another_pool_gives_everybody_a_local_address_from_it_this_device_too()
    {
        Assert.True(AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool));
        var book = AddressBook.Build(Self, [.. Enumerable.Range(1, 300).Select(Device)], pool, []);
        Assert.True(pool.Contains(book.Self.LocalIpv4));
        Assert.Equal(VirtualAddresses.Ipv4(Self), book.Self.OwnIpv4);
        var seen = new HashSet<PacketAddress> { book.Self.LocalIpv4 };
        foreach (AddressBookEntry entry in book.Entries)
        {
            Assert.True(pool.Contains(entry.LocalIpv4) && seen.Add(entry.LocalIpv4));
            Assert.Equal(AliasReason.OtherPool, entry.AliasReason);
        }
    }

    [Fact]
    public void A_small_pool_is_used_up_to_the_last_address_and_then_gives_none()
    {
        Assert.True(AddressPool.TryParse("192.168.211.0/24", out AddressPool? pool));
        var book = AddressBook.Build(Self, [.. Enumerable.Range(1, 400).Select(Device)], pool, []);
        var given = new HashSet<PacketAddress> { book.Self.LocalIpv4 };
        int without = 0;
        foreach (AddressBookEntry entry in book.Entries)
        {
            without += entry.LocalIpv4.IsNone ? 1 : 0;
            Assert.True(entry.LocalIpv4.IsNone || given.Add(entry.LocalIpv4));
        }

        Assert.Equal(254, given.Count);
        Assert.Equal(400 - 253, without);
    }

    [Fact]
    public void Ten_thousand_devices_have_unique_local_addresses()
    {
        AddressBook book = Build([.. Enumerable.Range(1, 10_000).Select(Device)]);
        var seen = new HashSet<PacketAddress>();
        foreach (AddressBookEntry entry in book.Entries)
        {
            Assert.True(seen.Add(entry.LocalIpv4) && seen.Add(entry.Ipv6));
        }
    }

    [Fact]
    public void Pools_are_parsed_strictly_and_conflicts_found()
    {
        foreach (string text in new[] { "", "x", "10.0.0.0", "10.0.0.1/16", "10.0.0.0/25", "10.0.0.0/7", "fd00::/48", "127.0.0.0/8", "224.0.0.0/8" })
        {
            Assert.False(AddressPool.TryParse(text, out _), text);
        }

        IPNetwork[] routes = [IPNetwork.Parse("0.0.0.0/0"), IPNetwork.Parse("100.96.0.0/12"), IPNetwork.Parse("192.168.1.0/24")];
        Assert.Equal([routes[1]], AddressPool.Default.FindConflicts(routes));
        Assert.Equal("198.18.0.0/15", AddressPool.SuggestWithoutConflict(routes)!.ToString());
    }

    [Fact]
    public void Lookup_allocates_nothing()
    {
        AddressBook book = Build([.. Enumerable.Range(1, 100).Select(Device)]);
        PacketAddress v4 = book.Entries[50].LocalIpv4;
        byte[] v6 = new byte[16];
        book.Entries[70].Ipv6.CopyTo(v6);
        int sum = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                book.TryFind(v4, out int a);
                book.TryFind(v6, out int b);
                sum += a + b;
            }
        }));

        Assert.True(sum > 0 && sum % (10_000 * 120) == 0);
    }

    internal static Address Device(int number)
    {
        byte[] bytes = new byte[20];
        BitConverter.TryWriteBytes(bytes, number);
        bytes[19] = 1;
        return new Address(bytes);
    }

    internal static (Address First, Address Second) FindCollision()
    {
        var seen = new Dictionary<PacketAddress, Address>();
        for (int i = 1000; ; i++)
        {
            Address device = Device(i);
            PacketAddress address = VirtualAddresses.Ipv4(device);
            if (!seen.TryAdd(address, device))
            {
                return (seen[address], device);
            }
        }
    }

    private static AddressBook Build(Address[] devices, IPNetwork[]? routes = null, AddressBook? previous = null)
    {
        return AddressBook.Build(Self, devices, AddressPool.Default, routes ?? [], previous);
    }
}

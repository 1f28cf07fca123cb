using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Addressing;

public class VirtualAddressesTests
{
    [Fact]
    public void Prefix_is_fd_and_40_bits_of_the_product_hash()
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes("diode-tunnel"));
        byte[] prefix = VirtualAddresses.Ipv6Prefix.BaseAddress.GetAddressBytes();
        Assert.Equal([0xFD, .. hash[..5]], prefix[..6]);
        Assert.Equal("fdf8:43cd:6db1::/48", VirtualAddresses.Ipv6Prefix.ToString());
        Assert.Equal("fdf8:43cd:6db1::6464:6464", VirtualAddresses.ResolverIpv6.ToString());
        Assert.Equal("100.100.100.100", VirtualAddresses.ResolverIpv4.ToString());
    }

    [Theory] // the devices of private keys 1 and 2
    [InlineData("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")]
    [InlineData("0x2b5ad5c4795c026514f8317c7a215e218dccd6cf")]
    public void Addresses_follow_from_the_keccak_hash(string device)
    {
        var address = Address.Parse(device);
        byte[] hash = Keccak256.Hash(address.ToArray()).ToArray();
        byte[] v6 = VirtualAddresses.Ipv6(address).ToIPAddress().GetAddressBytes();
        Assert.Equal(hash[..10], v6[6..]);
        Assert.True(VirtualAddresses.IsInIpv6Prefix(VirtualAddresses.Ipv6(address)));
        uint host = ((uint)hash[0] << 14) | ((uint)hash[1] << 6) | ((uint)hash[2] >> 2);
        Assert.Equal(0x64400000 | host, VirtualAddresses.Ipv4(address).Ipv4);
    }

    [Theory] // computed with an independent program; another implementation must give the same
    [InlineData("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf", "100.76.200.188", "fdf8:43cd:6db1:3322:f339:46a3:c503:c916")]
    [InlineData("0x2b5ad5c4795c026514f8317c7a215e218dccd6cf", "100.101.41.191", "fdf8:43cd:6db1:94a6:fc29:a444:56b3:6232")]
    public void Vectors(string device, string ipv4, string ipv6)
    {
        Assert.Equal(ipv4, VirtualAddresses.Ipv4(Address.Parse(device)).ToString());
        Assert.Equal(ipv6, VirtualAddresses.Ipv6(Address.Parse(device)).ToString());
    }

    [Fact]
    public void Reserved_addresses_are_skipped_by_hashing_again()
    {
        int rehashed = 0;
        for (int i = 0; i < 20_000; i++)
        {
            Address device = AddressBookTests.Device(i);
            uint given = VirtualAddresses.Ipv4(device).Ipv4;
            Assert.True((given & 0xFFC00000) == 0x64400000);
            Assert.False((byte)given is 0 or 255);
            Assert.False(given >> 9 == 0x64735C00 >> 9);
            Assert.NotEqual(0x64646464u, given);
            byte[] hash = Keccak256.Hash(device.ToArray()).ToArray();
            byte last = (byte)((hash[1] << 6) | (hash[2] >> 2));
            if (last is 0 or 255)
            {
                rehashed++;
                byte[] next = Keccak256.Hash(hash).ToArray();
                uint host = ((uint)next[0] << 14) | ((uint)next[1] << 6) | ((uint)next[2] >> 2);
                Assert.True((byte)host is 0 or 255 || given == (0x64400000 | host));
            }
        }

        Assert.InRange(rehashed, 80, 240);
        Assert.True(VirtualAddresses.IsReserved(0x64735C01) && VirtualAddresses.IsReserved(0x64735DFE));
        Assert.False(VirtualAddresses.IsReserved(0x64735E01) || VirtualAddresses.IsReserved(0x64735BFE));
    }

    [Fact]
    public void PacketAddress_round_trips()
    {
        foreach (string text in new[] { "100.64.1.2", "::1", "fdf8:43cd:6db1:1:2:3:4:5", "255.255.255.255", "0.0.0.0" })
        {
            var address = PacketAddress.From(System.Net.IPAddress.Parse(text));
            Assert.Equal(text, address.ToString());
            byte[] bytes = new byte[16];
            Assert.True(PacketAddress.TryRead(bytes.AsSpan(0, address.CopyTo(bytes)), out PacketAddress back) && back == address);
        }
    }
}

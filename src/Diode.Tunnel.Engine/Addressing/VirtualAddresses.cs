using System.Buffers.Binary;
using System.Net;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>
/// The virtual addresses that follow from a device address: the same on every machine, nothing to allocate.
/// </summary>
/// <remarks>
/// <code>
/// h0   = KECCAK-256(20-byte device address),  h(n+1) = KECCAK-256(h(n))
/// IPv6 = fd | first 40 bits of SHA-256("diode-tunnel") | first 80 bits of h0           (a /48, then 80 bits)
/// IPv4 = 100.64.0.0/10 | first 22 bits of h(n), n = the first that gives a usable address
/// </code>
/// Not usable: 100.100.100.100 (the resolver), 100.115.92.0/23 (taken by ChromeOS), and addresses ending in .0 or .255.
/// </remarks>
public static class VirtualAddresses
{
    /// <summary>Prefix length of <see cref="Ipv6Prefix"/>.</summary>
    public const int Ipv6PrefixLength = 48;

    private const ulong Ipv6PrefixBits = 0xFDF8_43CD_6DB1_0000;
    private const uint ResolverNumber = 0x6464_6464;

    /// <summary>The product's IPv6 /48: fd and the first 40 bits of SHA-256("diode-tunnel").</summary>
    public static IPNetwork Ipv6Prefix { get; } =
        new(new PacketAddress(Ipv6PrefixBits, 0).ToIPAddress(), Ipv6PrefixLength);

    /// <summary>Where the resolver listens on IPv4: 100.100.100.100.</summary>
    public static PacketAddress ResolverIpv4 { get; } = PacketAddress.FromIpv4(ResolverNumber);

    /// <summary>Where the resolver listens on IPv6: the same number in the product prefix.</summary>
    public static PacketAddress ResolverIpv6 { get; } = new(Ipv6PrefixBits, ResolverNumber);

    /// <summary>The IPv6 address of a device.</summary>
    public static PacketAddress Ipv6(in Address device)
    {
        Span<byte> hash = stackalloc byte[32];
        HashOf(device, hash);
        return new PacketAddress(
            Ipv6PrefixBits | BinaryPrimitives.ReadUInt16BigEndian(hash),
            BinaryPrimitives.ReadUInt64BigEndian(hash[2..]));
    }

    /// <summary>The IPv4 address of a device in the default pool: what it uses as source and what the others send to.</summary>
    public static PacketAddress Ipv4(in Address device)
    {
        return Ipv4(device, AddressPool.Default);
    }

    /// <summary>The IPv4 address that the same rule gives in another pool (used for local aliases only).</summary>
    public static PacketAddress Ipv4(in Address device, AddressPool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var candidates = new Ipv4Candidates(device, pool);
        return PacketAddress.FromIpv4(candidates.Next());
    }

    /// <summary>Whether the address is in the product's /48.</summary>
    public static bool IsInIpv6Prefix(in PacketAddress address)
    {
        return (address.High & 0xFFFF_FFFF_FFFF_0000) == Ipv6PrefixBits;
    }

    /// <summary>Whether no device may have this IPv4 address, whatever the pool.</summary>
    internal static bool IsReserved(uint address)
    {
        byte last = (byte)address;
        return last is 0 or 255
            || address == ResolverNumber
            || (address & 0xFFFF_FE00) == 0x6473_5C00; // 100.115.92.0/23
    }

    internal static void HashOf(in Address device, Span<byte> hash)
    {
        Span<byte> bytes = stackalloc byte[Address.Length];
        device.CopyTo(bytes);
        Keccak256.Hash(bytes, hash);
    }
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>
/// An IPv4 or IPv6 address by value, as the packet path compares it: two words, no allocation, no scope id.
/// IPv4 is held in its mapped form (<c>::ffff:a.b.c.d</c>), which never appears on the wire as IPv6.
/// </summary>
public readonly struct PacketAddress : IEquatable<PacketAddress>
{
    private const ulong MappedPrefix = 0x0000_FFFF_0000_0000;

    /// <summary>Creates an address from its two big-endian halves.</summary>
    public PacketAddress(ulong high, ulong low)
    {
        High = high;
        Low = low;
    }

    /// <summary>The unset value (<c>::</c>).</summary>
    public static PacketAddress None => default;

    /// <summary>The first eight bytes, read big-endian.</summary>
    public ulong High { get; }

    /// <summary>The last eight bytes, read big-endian.</summary>
    public ulong Low { get; }

    /// <summary>Whether this is an IPv4 address.</summary>
    public bool IsIpv4 => High == 0 && Low >> 32 == 0xFFFF;

    /// <summary>The IPv4 address as a number (first octet highest). Meaningless unless <see cref="IsIpv4"/>.</summary>
    public uint Ipv4 => (uint)Low;

    /// <summary>Whether this is <c>::</c>, the unset value.</summary>
    public bool IsNone => High == 0 && Low == 0;

    /// <summary>Whether a packet may go to several receivers: multicast, or the IPv4 limited broadcast.</summary>
    public bool IsMulticastOrBroadcast =>
        IsIpv4 ? Ipv4 >> 28 == 0xE || Ipv4 == uint.MaxValue : High >> 56 == 0xFF;

    /// <summary>Whether the address can't be the sender of a packet on a tunnel (unspecified or loopback).</summary>
    public bool IsUnspecifiedOrLoopback =>
        IsIpv4 ? Ipv4 >> 24 is 0 or 127 : High == 0 && Low <= 1;

    /// <summary>Compares two addresses.</summary>
    public static bool operator ==(PacketAddress left, PacketAddress right)
    {
        return left.Equals(right);
    }

    /// <summary>Compares two addresses.</summary>
    public static bool operator !=(PacketAddress left, PacketAddress right)
    {
        return !left.Equals(right);
    }

    /// <summary>The IPv4 address with the given number (first octet highest).</summary>
    public static PacketAddress FromIpv4(uint address)
    {
        return new PacketAddress(0, MappedPrefix | address);
    }

    /// <summary>Reads 4 (IPv4) or 16 (IPv6) network-order bytes. False for any other length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out PacketAddress address)
    {
        switch (bytes.Length)
        {
            case 4:
                address = FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(bytes));
                return true;
            case 16:
                address = ReadIpv6(bytes);
                return true;
            default:
                address = default;
                return false;
        }
    }

    /// <summary>Converts from the BCL type; a scope id is lost, a mapped IPv4 address becomes IPv4.</summary>
    public static PacketAddress From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        if (!address.TryWriteBytes(bytes, out int written) || !TryRead(bytes[..written], out PacketAddress value))
        {
            throw new ArgumentException("Not an IPv4 or IPv6 address.", nameof(address));
        }

        return value;
    }

    /// <summary>Converts to the BCL type (allocates; not for the packet path).</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        return new IPAddress(bytes[..CopyTo(bytes)]);
    }

    /// <summary>Writes 4 or 16 network-order bytes and returns how many.</summary>
    public int CopyTo(Span<byte> destination)
    {
        if (IsIpv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, Ipv4);
            return 4;
        }

        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
        return 16;
    }

    /// <summary>The address family of the BCL.</summary>
    public AddressFamily Family => IsIpv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;

    /// <inheritdoc/>
    public bool Equals(PacketAddress other)
    {
        return High == other.High && Low == other.Low;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return obj is PacketAddress other && Equals(other);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return HashCode.Combine(High, Low);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return ToIPAddress().ToString();
    }

    internal static PacketAddress ReadIpv6(ReadOnlySpan<byte> bytes)
    {
        return new PacketAddress(
            BinaryPrimitives.ReadUInt64BigEndian(bytes),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));
    }
}

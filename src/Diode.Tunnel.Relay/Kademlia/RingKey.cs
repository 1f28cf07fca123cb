using System.Buffers.Binary;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>
/// A place on the ring of relays and objects: a 256-bit number. A relay stands at SHA256(address), an object at its DHT
/// key as it is (diode_node <c>lib/kademlia_ring.ex</c>; reference §7.5).
/// </summary>
public readonly record struct RingKey : IComparable<RingKey>
{
    private readonly UInt128 _high;
    private readonly UInt128 _low;

    /// <summary>The place of a 32-byte key.</summary>
    public RingKey(in Hash256 key)
    {
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        key.CopyTo(bytes);
        _high = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        _low = BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]);
    }

    private RingKey(UInt128 high, UInt128 low)
    {
        _high = high;
        _low = low;
    }

    /// <summary>The highest place: all bits set.</summary>
    public static RingKey Max => new(UInt128.MaxValue, UInt128.MaxValue);

    /// <summary>Order of the numbers.</summary>
    public static bool operator <(RingKey left, RingKey right) => left.CompareTo(right) < 0;

    /// <summary>Order of the numbers.</summary>
    public static bool operator >(RingKey left, RingKey right) => left.CompareTo(right) > 0;

    /// <summary>Order of the numbers.</summary>
    public static bool operator <=(RingKey left, RingKey right) => left.CompareTo(right) <= 0;

    /// <summary>Order of the numbers.</summary>
    public static bool operator >=(RingKey left, RingKey right) => left.CompareTo(right) >= 0;

    /// <summary>The place of a relay.</summary>
    public static RingKey OfNode(Address address)
    {
        Span<byte> bytes = stackalloc byte[Address.Length];
        address.CopyTo(bytes);
        return new RingKey(Hash256.Sha256(bytes));
    }

    /// <summary>The place that <c>find_node</c> and the hints of <c>find_value</c> mean: SHA256 of whatever was sent.</summary>
    public static RingKey OfRequest(ReadOnlySpan<byte> id)
    {
        return new RingKey(Hash256.Sha256(id));
    }

    /// <summary>(a + b) / 2 as plain numbers: real relays take no notice of the wrap-around (observed).</summary>
    public static RingKey Midpoint(RingKey a, RingKey b)
    {
        RingKey left = a.Half();
        RingKey right = b.Half();
        UInt128 carry = a._low & b._low & 1;
        UInt128 low = left._low + right._low;
        UInt128 high = left._high + right._high + (low < left._low ? UInt128.One : 0);
        low += carry;
        high += carry != 0 && low == 0 ? UInt128.One : 0;
        return new RingKey(high, low);
    }

    /// <summary>The shorter way round the ring; see <see cref="RingDistance"/>.</summary>
    public RingDistance DistanceTo(RingKey other)
    {
        RingKey direct = this >= other ? Minus(other) : other.Minus(this);
        RingKey around = Max.Minus(direct);
        return new RingDistance(direct <= around ? direct : around);
    }

    /// <summary>Steps upwards from here to <paramref name="other"/>, across the top if need be.</summary>
    public RingKey StepsUpTo(RingKey other)
    {
        return other.Minus(this);
    }

    /// <summary>The place halfway upwards to <paramref name="other"/>, across the top if need be.</summary>
    public RingKey HalfwayUpTo(RingKey other)
    {
        RingKey half = StepsUpTo(other).Half();
        UInt128 low = unchecked(_low + half._low);
        return new RingKey(unchecked(_high + half._high + (low < _low ? UInt128.One : 0)), low);
    }

    /// <summary>The 32 bytes.</summary>
    public Hash256 ToHash()
    {
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, _high);
        BinaryPrimitives.WriteUInt128BigEndian(bytes[16..], _low);
        return new Hash256(bytes);
    }

    /// <inheritdoc/>
    public int CompareTo(RingKey other)
    {
        int order = _high.CompareTo(other._high);
        return order == 0 ? _low.CompareTo(other._low) : order;
    }

    /// <summary><c>0x</c> and 64 lower-case hexadecimal digits.</summary>
    public override string ToString()
    {
        return ToHash().ToString();
    }

    /// <summary>Difference modulo 2^256.</summary>
    private RingKey Minus(RingKey other)
    {
        return new RingKey(unchecked(_high - other._high - (_low < other._low ? UInt128.One : 0)), unchecked(_low - other._low));
    }

    private RingKey Half()
    {
        return new RingKey(_high >> 1, (_low >> 1) | (_high << 127));
    }
}

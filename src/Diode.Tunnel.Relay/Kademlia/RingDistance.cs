using System.Globalization;
using System.Numerics;

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>
/// min(|a − b|, (2^256 − 1) − |a − b|). The way round is one step shorter than on a true circle of 2^256 places; all
/// relays must agree on who is nearest, so the oddity stays (reference §7.5).
/// </summary>
public readonly record struct RingDistance : IComparable<RingDistance>
{
    private readonly RingKey _steps;

    internal RingDistance(RingKey steps)
    {
        _steps = steps;
    }

    /// <summary>Nearer.</summary>
    public static bool operator <(RingDistance left, RingDistance right) => left.CompareTo(right) < 0;

    /// <summary>Farther.</summary>
    public static bool operator >(RingDistance left, RingDistance right) => left.CompareTo(right) > 0;

    /// <summary>Not farther.</summary>
    public static bool operator <=(RingDistance left, RingDistance right) => left.CompareTo(right) <= 0;

    /// <summary>Not nearer.</summary>
    public static bool operator >=(RingDistance left, RingDistance right) => left.CompareTo(right) >= 0;

    /// <inheritdoc/>
    public int CompareTo(RingDistance other)
    {
        return _steps.CompareTo(other._steps);
    }

    /// <summary>The number of steps.</summary>
    public BigInteger ToBigInteger()
    {
        return new BigInteger(_steps.ToHash().ToArray(), isUnsigned: true, isBigEndian: true);
    }

    /// <summary>The number of steps in decimal digits.</summary>
    public override string ToString()
    {
        return ToBigInteger().ToString(CultureInfo.InvariantCulture);
    }
}

using Org.BouncyCastle.Asn1.X9;
using Org.BouncyCastle.Crypto.EC;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>The curve, its numbers and the conversions that every user must range-check alike.</summary>
internal static class Secp256k1
{
    public const int ScalarLength = 32;

    private static readonly X9ECParameters Parameters = CustomNamedCurves.GetByName("secp256k1");

    public static ECCurve Curve { get; } = Parameters.Curve;

    public static ECPoint Generator { get; } = Parameters.G;

    /// <summary>The group order n.</summary>
    public static BigInteger Order { get; } = Parameters.N;

    public static BigInteger HalfOrder { get; } = Parameters.N.ShiftRight(1);

    /// <summary>The field prime p.</summary>
    public static BigInteger Prime { get; } = Parameters.Curve.Field.Characteristic;

    /// <summary>The curve point with this x and parity of y; false when x is not on the curve.</summary>
    public static bool TryDecompress(BigInteger x, bool odd, out ECPoint? point)
    {
        point = null;
        if (x.SignValue < 0 || x.CompareTo(Prime) >= 0)
        {
            return false;
        }

        ECFieldElement element = Curve.FromBigInteger(x);
        ECFieldElement? y = element.Square().Multiply(element).Add(Curve.B).Sqrt();
        if (y is null)
        {
            return false;
        }

        if (y.TestBitZero() != odd)
        {
            y = y.Negate();
        }

        point = Curve.CreatePoint(x, y.ToBigInteger());
        return true;
    }

    /// <summary>The curve point with these coordinates; false when it is not on the curve.</summary>
    public static bool TryReadPoint(BigInteger x, BigInteger y, out ECPoint? point)
    {
        point = null;
        if (x.CompareTo(Prime) >= 0 || y.CompareTo(Prime) >= 0)
        {
            return false;
        }

        ECPoint candidate = Curve.CreatePoint(x, y);
        if (!candidate.IsValid())
        {
            return false;
        }

        point = candidate;
        return true;
    }

    public static BigInteger ToInteger(ReadOnlySpan<byte> bytes)
    {
        return new BigInteger(1, bytes.ToArray());
    }

    /// <summary>Writes a value below 2^256 as 32 big-endian bytes.</summary>
    public static void WriteInteger(BigInteger value, Span<byte> destination)
    {
        byte[] bytes = value.ToByteArrayUnsigned();
        destination[..ScalarLength].Clear();
        bytes.CopyTo(destination[(ScalarLength - bytes.Length)..]);
    }
}

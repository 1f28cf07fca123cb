using System.Numerics;

namespace Diode.Tunnel.Ethereum.Rlp;

/// <summary>
/// The signed number form inside RLP (diode_client_ex <c>rlpx.ex</c> int2bin): n ≥ 0 is 2n, n &lt; 0 is 2|n| + 1,
/// big-endian without leading zeros, but 0 is one byte 00. Not protobuf's zig-zag: −1 is 3.
/// </summary>
public static class SignedInteger
{
    /// <summary>Encodes a number.</summary>
    public static byte[] Encode(BigInteger value)
    {
        BigInteger doubled = (BigInteger.Abs(value) << 1) + (value.Sign < 0 ? 1 : 0);
        return doubled.ToByteArray(isUnsigned: true, isBigEndian: true);
    }

    /// <summary>Decodes bytes of any length; the empty string is 0.</summary>
    public static BigInteger Decode(ReadOnlySpan<byte> bytes)
    {
        var doubled = new BigInteger(bytes, isUnsigned: true, isBigEndian: true);
        return doubled.IsEven ? doubled >> 1 : -((doubled - 1) >> 1);
    }

    /// <summary>Decodes a number that fits 64 bits; false for a larger one.</summary>
    public static bool TryDecodeInt64(ReadOnlySpan<byte> bytes, out long value)
    {
        if (!RlpEncoding.TryReadInteger(bytes, out ulong doubled))
        {
            value = 0;
            return false;
        }

        long magnitude = (long)(doubled >> 1);
        value = (doubled & 1) == 0 ? magnitude : -magnitude;
        return true;
    }
}

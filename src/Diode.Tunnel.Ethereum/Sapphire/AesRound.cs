using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// One round of AES (FIPS 197: SubBytes, ShiftRows, MixColumns, AddRoundKey), the building block of Deoxys. Constant time both ways: by the
/// processor's instruction, else by arithmetic in GF(2^8) on all bytes at once, without tables.
/// </summary>
internal static class AesRound
{
    private static readonly Vector128<byte> ShiftedRows = Vector128.Create((byte)0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
    private static readonly Vector128<byte> NextRow = Vector128.Create((byte)1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
    private static readonly Vector128<byte> RowAfterNext = Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);

    /// <summary>Whether the processor does it.</summary>
    internal static bool IsHardware => Aes.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> Encrypt(Vector128<byte> state, Vector128<byte> key) =>
        Aes.IsSupported ? Aes.Encrypt(state, key) : EncryptPortable(state, key);

    internal static Vector128<byte> EncryptPortable(Vector128<byte> state, Vector128<byte> key)
    {
        Vector128<byte> rows = Vector128.Shuffle(Substitute(state), ShiftedRows);

        // Each byte: 2·a ^ 3·b ^ c ^ d of its column, that is 2·(a ^ b) ^ b ^ (c ^ d).
        Vector128<byte> pairs = rows ^ Vector128.Shuffle(rows, NextRow);
        return Double(pairs) ^ Vector128.Shuffle(rows, NextRow) ^ Vector128.Shuffle(pairs, RowAfterNext) ^ key;
    }

    // The inverse is the 254th power; then the affine map.
    private static Vector128<byte> Substitute(Vector128<byte> x)
    {
        Vector128<byte> x2 = Square(x, 1);
        Vector128<byte> x3 = Multiply(x2, x);
        Vector128<byte> x12 = Square(x3, 2);
        Vector128<byte> x15 = Multiply(x12, x3);
        Vector128<byte> x252 = Multiply(Square(x15, 4), x12);
        Vector128<byte> inverse = Multiply(x252, x2);
        return inverse ^ Rotate(inverse, 1) ^ Rotate(inverse, 2) ^ Rotate(inverse, 3) ^ Rotate(inverse, 4) ^ Vector128.Create((byte)0x63);
    }

    private static Vector128<byte> Square(Vector128<byte> x, int times)
    {
        for (int i = 0; i < times; i++)
        {
            x = Multiply(x, x);
        }

        return x;
    }

    private static Vector128<byte> Multiply(Vector128<byte> a, Vector128<byte> b)
    {
        Vector128<byte> product = Vector128<byte>.Zero;
        for (int i = 0; i < 8; i++)
        {
            product ^= a & (Vector128<byte>.Zero - (b & Vector128<byte>.One));
            a = Double(a);
            b = Vector128.ShiftRightLogical(b, 1);
        }

        return product;
    }

    // Times x modulo x^8 + x^4 + x^3 + x + 1.
    private static Vector128<byte> Double(Vector128<byte> a) =>
        Vector128.ShiftLeft(a, 1) ^ (Vector128.Create((byte)0x1b) & (Vector128<byte>.Zero - Vector128.ShiftRightLogical(a, 7)));

    private static Vector128<byte> Rotate(Vector128<byte> a, int bits) => Vector128.ShiftLeft(a, bits) | Vector128.ShiftRightLogical(a, 8 - bits);
}

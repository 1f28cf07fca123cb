using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <content>Multiplication modulo 2^130 − 5 in every lane, the last reduction, and how bytes come into lanes.</content>
internal static unsafe partial class PolyLanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(
        ref Vector512<ulong> h0,
        ref Vector512<ulong> h1,
        ref Vector512<ulong> h2,
        ref Vector512<ulong> h3,
        ref Vector512<ulong> h4,
        Vector512<ulong> r0,
        Vector512<ulong> r1,
        Vector512<ulong> r2,
        Vector512<ulong> r3,
        Vector512<ulong> r4,
        Vector512<ulong> s1,
        Vector512<ulong> s2,
        Vector512<ulong> s3,
        Vector512<ulong> s4)
    {
        Vector512<ulong> d0 = Product(h0, r0) + Product(h1, s4) + (Product(h2, s3) + Product(h3, s2)) + Product(h4, s1);
        Vector512<ulong> d1 = Product(h0, r1) + Product(h1, r0) + (Product(h2, s4) + Product(h3, s3)) + Product(h4, s2);
        Vector512<ulong> d2 = Product(h0, r2) + Product(h1, r1) + (Product(h2, r0) + Product(h3, s4)) + Product(h4, s3);
        Vector512<ulong> d3 = Product(h0, r3) + Product(h1, r2) + (Product(h2, r1) + Product(h3, r0)) + Product(h4, s4);
        Vector512<ulong> d4 = Product(h0, r4) + Product(h1, r3) + (Product(h2, r2) + Product(h3, r1)) + Product(h4, r0);
        Vector512<ulong> mask = Vector512.Create(LimbMask);
        d1 += d0 >>> 26;
        d4 += d3 >>> 26;
        d0 &= mask;
        d3 &= mask;
        d2 += d1 >>> 26;
        Vector512<ulong> carry = d4 >>> 26;
        d0 += carry + (carry << 2);
        d1 &= mask;
        h4 = d4 & mask;
        d3 += d2 >>> 26;
        h2 = d2 & mask;
        h1 = d1 + (d0 >>> 26);
        h0 = d0 & mask;
        h4 += d3 >>> 26;
        h3 = d3 & mask;
    }

    // 2^130 = 5: what leaves at the top comes back five times.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Five(Vector512<ulong> limb)
    {
        return limb + (limb << 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Product(Vector512<ulong> left, Vector512<ulong> right)
    {
        return Avx512F.Multiply(left.AsUInt32(), right.AsUInt32());
    }

    // Four blocks of each lane become vectors of low and of high halves.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarters(
        Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c, Vector512<ulong> d, ulong* blocks)
    {
        Vector512<ulong> front = Avx512F.Shuffle4x128(a, b, 0x44);
        Vector512<ulong> back = Avx512F.Shuffle4x128(a, b, 0xEE);
        Vector512<ulong> nextFront = Avx512F.Shuffle4x128(c, d, 0x44);
        Vector512<ulong> nextBack = Avx512F.Shuffle4x128(c, d, 0xEE);
        Avx512F.Shuffle4x128(front, nextFront, 0x88).Store(blocks);
        Avx512F.Shuffle4x128(front, nextFront, 0xDD).Store(blocks + (2 * Lanes));
        Avx512F.Shuffle4x128(back, nextBack, 0x88).Store(blocks + (4 * Lanes));
        Avx512F.Shuffle4x128(back, nextBack, 0xDD).Store(blocks + (6 * Lanes));
    }

    /// <summary>Sums the parts of a message, reduces modulo 2^130 − 5 and adds the second half of the key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(ulong* limbs, int parts, ulong* key, ulong* tag)
    {
        ulong h0 = 0;
        ulong h1 = 0;
        ulong h2 = 0;
        ulong h3 = 0;
        ulong h4 = 0;
        for (int i = 0; i < parts; i++)
        {
            h0 += limbs[i];
            h1 += limbs[Lanes + i];
            h2 += limbs[(2 * Lanes) + i];
            h3 += limbs[(3 * Lanes) + i];
            h4 += limbs[(4 * Lanes) + i];
        }

        // Twice, because what comes back at the bottom may carry again.
        for (int round = 0; round < 2; round++)
        {
            h1 += h0 >> 26;
            h0 &= LimbMask;
            h2 += h1 >> 26;
            h1 &= LimbMask;
            h3 += h2 >> 26;
            h2 &= LimbMask;
            h4 += h3 >> 26;
            h3 &= LimbMask;
            h0 += (h4 >> 26) * 5;
            h4 &= LimbMask;
        }

        h1 += h0 >> 26;
        h0 &= LimbMask;
        ulong low = h0 + (h1 << 26) + (h2 << 52);
        ulong high = (h2 >> 12) + (h3 << 14) + (h4 << 40) + (low < (h2 << 52) ? 1UL : 0);
        ulong top = h4 >> 24;

        // h − p if that is not negative; p = 2^130 − 5. Without a branch, for it is secret.
        ulong reducedLow = low + 5;
        ulong carry = reducedLow < low ? 1UL : 0;
        ulong reducedHigh = high + carry;
        ulong reducedTop = top + (reducedHigh < carry ? 1UL : 0);
        ulong choose = 0 - (reducedTop >> 2);
        low = (reducedLow & choose) | (low & ~choose);
        high = (reducedHigh & choose) | (high & ~choose);
        ulong sum = low + key[2];
        tag[0] = sum;
        tag[1] = high + key[3] + (sum < low ? 1UL : 0);
    }
}

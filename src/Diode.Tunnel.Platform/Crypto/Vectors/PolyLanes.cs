using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <summary>
/// Poly1305 (RFC 8439 §2.5) over eight lanes of 64 bits, numbers in five limbs of 26 bits. A lane is a message, or one of 2, 4 or 8 equal parts of
/// a message: h of a part times r^(blocks behind it), summed over the parts, is h of the whole.
/// </summary>
/// <remarks>
/// All lanes end at the same step: shorter ones begin with blocks of zeros (without the bit that marks a block), which leave h at zero. The
/// authenticated bytes are the text, zeros up to 16, and the lengths of associated data (none) and text.
/// </remarks>
internal static unsafe partial class PolyLanes
{
    /// <summary>Most messages of one call.</summary>
    public const int MaxMessages = 8;

    private const int Lanes = 8;
    private const int BlockLength = 16;
    private const int TagLength = 16;
    private const int ChunkLength = 64;
    private const int ChunkBlocks = 4;
    private const int LimbCount = 5;
    private const ulong LimbMask = (1UL << 26) - 1;

    /// <summary>Computes the tags of messages.</summary>
    /// <param name="messages">One to eight.</param>
    /// <param name="count">How many.</param>
    /// <param name="oneTimeKeys">32 bytes for each.</param>
    /// <param name="tags">Receives 16 bytes for each.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Compute(CipherMessage* messages, int count, byte* oneTimeKeys, byte* tags)
    {
        int longest = 0;
        for (int i = 0; i < count; i++)
        {
            longest = Math.Max(longest, CountBlocks(messages[i].Length));
        }

        int parts = Lanes / (int)BitOperations.RoundUpToPowerOf2((uint)count);
        while (parts > 1 && longest < ChunkBlocks * 2 * parts)
        {
            parts /= 2;
        }

        int unit = ChunkBlocks * parts;
        int total = (longest + unit - 1) / unit * unit;
        int steps = total / parts;
        long* positions = stackalloc long[Lanes];
        ulong* keys = stackalloc ulong[2 * Lanes];
        for (int lane = 0; lane < Lanes; lane++)
        {
            // Lanes without a message do the first one's work again.
            int index = lane / parts < count ? lane / parts : 0;
            int lead = total - CountBlocks(messages[index].Length);
            positions[lane] = (((lane % parts) * steps) - lead) * BlockLength;
            ulong* key = (ulong*)(oneTimeKeys + (index * ChaChaBatch.OneTimeKeyLength));
            keys[lane] = key[0] & 0x0ffffffc0fffffffUL;
            keys[Lanes + lane] = key[1] & 0x0ffffffc0ffffffcUL;
        }

        ulong* limbs = stackalloc ulong[LimbCount * Lanes];
        new Span<ulong>(limbs, LimbCount * Lanes).Clear();
        byte** sources = stackalloc byte*[Lanes];
        byte* edges = stackalloc byte[Lanes * ChunkLength];
        int step = 0;
        while (step < steps)
        {
            // Chunks that lie wholly inside the text of every lane are read where they are; others are put together first.
            int direct = (steps - step) / ChunkBlocks;
            long offset = (long)step * BlockLength;
            for (int lane = 0; lane < Lanes; lane++)
            {
                long at = positions[lane] + offset;
                CipherMessage* message = MessageOf(messages, lane / parts, count);
                sources[lane] = message->Text + at;
                direct = at < 0 ? 0 : (int)Math.Min(direct, Math.Max(0, message->Length - at) / ChunkLength);
            }

            for (int lane = 0; direct == 0 && lane < Lanes; lane++)
            {
                long at = positions[lane] + offset;
                CipherMessage* message = MessageOf(messages, lane / parts, count);
                if (at < 0 || at + ChunkLength > message->Length)
                {
                    sources[lane] = edges + (lane * ChunkLength);
                    CopyEdge(message, at, sources[lane]);
                }
            }

            direct = Math.Max(direct, 1);
            Absorb(limbs, keys, positions, offset, sources, direct);
            step += direct * ChunkBlocks;
        }

        if (parts > 1)
        {
            Weigh(limbs, keys, parts, steps);
        }

        for (int i = 0; i < count; i++)
        {
            ulong* key = (ulong*)(oneTimeKeys + (i * ChaChaBatch.OneTimeKeyLength));
            Finish(limbs + (i * parts), parts, key, (ulong*)(tags + (i * TagLength)));
        }
    }

    private static CipherMessage* MessageOf(CipherMessage* messages, int index, int count) => messages + (index < count ? index : 0);

    private static int CountBlocks(int length) => ((length + BlockLength - 1) / BlockLength) + 1;

    /// <summary>h = (h + block) × r for some chunks of four blocks. Calls nothing, so that numbers stay in registers.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Absorb(ulong* limbs, ulong* keys, long* positions, long offset, byte** sources, int chunks)
    {
        ulong* blocks = stackalloc ulong[ChunkBlocks * 2 * Lanes];
        Vector512<ulong> mask = Vector512.Create(LimbMask);
        Vector512<ulong> low = Vector512.Load(keys);
        Vector512<ulong> high = Vector512.Load(keys + Lanes);
        Vector512<ulong> r0 = low & mask;
        Vector512<ulong> r1 = (low >>> 26) & mask;
        Vector512<ulong> r2 = ((low >>> 52) | (high << 12)) & mask;
        Vector512<ulong> r3 = (high >>> 14) & mask;
        Vector512<ulong> r4 = high >>> 40;
        Vector512<ulong> s1 = Five(r1);
        Vector512<ulong> s2 = Five(r2);
        Vector512<ulong> s3 = Five(r3);
        Vector512<ulong> s4 = Five(r4);
        Vector512<ulong> h0 = Vector512.Load(limbs);
        Vector512<ulong> h1 = Vector512.Load(limbs + Lanes);
        Vector512<ulong> h2 = Vector512.Load(limbs + (2 * Lanes));
        Vector512<ulong> h3 = Vector512.Load(limbs + (3 * Lanes));
        Vector512<ulong> h4 = Vector512.Load(limbs + (4 * Lanes));
        Vector512<long> position = Vector512.Load(positions) + Vector512.Create(offset);
        Vector512<long> next = Vector512.Create((long)BlockLength);
        Vector512<ulong> mark = Vector512.Create(1UL << 24);
        byte* source0 = sources[0];
        byte* source1 = sources[1];
        byte* source2 = sources[2];
        byte* source3 = sources[3];
        byte* source4 = sources[4];
        byte* source5 = sources[5];
        byte* source6 = sources[6];
        byte* source7 = sources[7];
        for (long at = 0; at < (long)chunks * ChunkLength; at += ChunkLength)
        {
            Vector512<ulong> v0 = Vector512.Load((ulong*)(source0 + at));
            Vector512<ulong> v1 = Vector512.Load((ulong*)(source1 + at));
            Vector512<ulong> v2 = Vector512.Load((ulong*)(source2 + at));
            Vector512<ulong> v3 = Vector512.Load((ulong*)(source3 + at));
            Vector512<ulong> v4 = Vector512.Load((ulong*)(source4 + at));
            Vector512<ulong> v5 = Vector512.Load((ulong*)(source5 + at));
            Vector512<ulong> v6 = Vector512.Load((ulong*)(source6 + at));
            Vector512<ulong> v7 = Vector512.Load((ulong*)(source7 + at));
            Quarters(
                Avx512F.UnpackLow(v0, v1),
                Avx512F.UnpackLow(v2, v3),
                Avx512F.UnpackLow(v4, v5),
                Avx512F.UnpackLow(v6, v7),
                blocks);
            Quarters(
                Avx512F.UnpackHigh(v0, v1),
                Avx512F.UnpackHigh(v2, v3),
                Avx512F.UnpackHigh(v4, v5),
                Avx512F.UnpackHigh(v6, v7),
                blocks + Lanes);
            for (int i = 0; i < ChunkBlocks * 2 * Lanes; i += 2 * Lanes)
            {
                low = Vector512.Load(blocks + i);
                high = Vector512.Load(blocks + i + Lanes);
                Vector512<ulong> begun = Vector512.GreaterThanOrEqual(position, Vector512<long>.Zero).AsUInt64();
                position += next;
                h0 += low & mask;
                h1 += (low >>> 26) & mask;
                h2 += ((low >>> 52) | (high << 12)) & mask;
                h3 += (high >>> 14) & mask;
                h4 += (high >>> 40) + (begun & mark);
                Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, s1, s2, s3, s4);
            }
        }

        h0.Store(limbs);
        h1.Store(limbs + Lanes);
        h2.Store(limbs + (2 * Lanes));
        h3.Store(limbs + (3 * Lanes));
        h4.Store(limbs + (4 * Lanes));
    }

    /// <summary>Multiplies each part by the power of r that stands for the blocks behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(ulong* limbs, ulong* keys, int parts, int steps)
    {
        Vector512<ulong> mask = Vector512.Create(LimbMask);
        Vector512<ulong> low = Vector512.Load(keys);
        Vector512<ulong> high = Vector512.Load(keys + Lanes);
        Vector512<ulong> r0 = low & mask;
        Vector512<ulong> r1 = (low >>> 26) & mask;
        Vector512<ulong> r2 = ((low >>> 52) | (high << 12)) & mask;
        Vector512<ulong> r3 = (high >>> 14) & mask;
        Vector512<ulong> r4 = high >>> 40;
        Vector512<ulong> h0 = Vector512.Load(limbs);
        Vector512<ulong> h1 = Vector512.Load(limbs + Lanes);
        Vector512<ulong> h2 = Vector512.Load(limbs + (2 * Lanes));
        Vector512<ulong> h3 = Vector512.Load(limbs + (3 * Lanes));
        Vector512<ulong> h4 = Vector512.Load(limbs + (4 * Lanes));

        // p = r^steps, from the highest bit down.
        (Vector512<ulong> p0, Vector512<ulong> p1, Vector512<ulong> p2, Vector512<ulong> p3, Vector512<ulong> p4) = (r0, r1, r2, r3, r4);
        for (int bit = BitOperations.Log2((uint)steps) - 1; bit >= 0; bit--)
        {
            Multiply(ref p0, ref p1, ref p2, ref p3, ref p4, p0, p1, p2, p3, p4, Five(p1), Five(p2), Five(p3), Five(p4));
            if ((steps >> bit & 1) != 0)
            {
                Multiply(ref p0, ref p1, ref p2, ref p3, ref p4, r0, r1, r2, r3, r4, Five(r1), Five(r2), Five(r3), Five(r4));
            }
        }

        // Part j of n is multiplied by p^(n - 1 - j): p, p², p⁴ in the lanes whose exponent has that bit, 1 in the others.
        for (int bit = 1; bit < parts; bit *= 2)
        {
            Vector512<ulong> exponent = Vector512.Create(7UL, 6, 5, 4, 3, 2, 1, 0) & Vector512.Create((ulong)parts - 1);
            Vector512<ulong> chosen = ~Vector512.Equals(exponent & Vector512.Create((ulong)bit), Vector512<ulong>.Zero);
            Vector512<ulong> w1 = p1 & chosen;
            Vector512<ulong> w2 = p2 & chosen;
            Vector512<ulong> w3 = p3 & chosen;
            Vector512<ulong> w4 = p4 & chosen;
            Vector512<ulong> w0 = Vector512.ConditionalSelect(chosen, p0, Vector512<ulong>.One);
            Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, w0, w1, w2, w3, w4, Five(w1), Five(w2), Five(w3), Five(w4));
            Multiply(ref p0, ref p1, ref p2, ref p3, ref p4, p0, p1, p2, p3, p4, Five(p1), Five(p2), Five(p3), Five(p4));
        }

        h0.Store(limbs);
        h1.Store(limbs + Lanes);
        h2.Store(limbs + (2 * Lanes));
        h3.Store(limbs + (3 * Lanes));
        h4.Store(limbs + (4 * Lanes));
    }

    /// <summary>64 bytes of which some lie before the text or behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyEdge(CipherMessage* message, long at, byte* edge)
    {
        Vector512<byte>.Zero.Store(edge);
        if (at <= -ChunkLength)
        {
            return;
        }

        int length = message->Length;
        int from = (int)Math.Max(at, 0);
        int until = (int)Math.Min(at + ChunkLength, length);
        if (until > from)
        {
            Unsafe.CopyBlockUnaligned(edge + (from - at), message->Text + from, (uint)(until - from));
        }

        long lengths = ((length + BlockLength - 1) / BlockLength * BlockLength) - at;
        if (lengths is >= 0 and < ChunkLength)
        {
            *(ulong*)(edge + lengths + sizeof(ulong)) = (ulong)length;
        }
    }
}

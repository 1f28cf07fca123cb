using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <summary>
/// ChaCha20 (RFC 8439 §2.3), sixteen blocks at once: word w of all blocks is one vector of 512 bits. Each block has its own counter and
/// nonce, so that the blocks of many short messages fill the vectors as well as those of a long one.
/// </summary>
internal static unsafe class ChaChaLanes
{
    /// <summary>Blocks of one call.</summary>
    public const int Lanes = 16;

    /// <summary>Bytes of a block.</summary>
    public const int BlockLength = 64;

    /// <summary>Bytes of key stream that one call makes.</summary>
    public const int StreamLength = Lanes * BlockLength;

    /// <summary>Makes sixteen blocks of key stream.</summary>
    /// <param name="key">8 words.</param>
    /// <param name="tails">State words 12 to 15 (block counter and nonce): four rows of sixteen words, one for each block.</param>
    /// <param name="rowLength">Words from one row to the next.</param>
    /// <param name="stream">Receives <see cref="StreamLength"/> bytes, block by block.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Generate(uint* key, uint* tails, int rowLength, byte* stream)
    {
        Vector512<uint> v0 = Vector512.Create(0x61707865u);
        Vector512<uint> v1 = Vector512.Create(0x3320646eu);
        Vector512<uint> v2 = Vector512.Create(0x79622d32u);
        Vector512<uint> v3 = Vector512.Create(0x6b206574u);
        Vector512<uint> v4 = Vector512.Create(key[0]);
        Vector512<uint> v5 = Vector512.Create(key[1]);
        Vector512<uint> v6 = Vector512.Create(key[2]);
        Vector512<uint> v7 = Vector512.Create(key[3]);
        Vector512<uint> v8 = Vector512.Create(key[4]);
        Vector512<uint> v9 = Vector512.Create(key[5]);
        Vector512<uint> v10 = Vector512.Create(key[6]);
        Vector512<uint> v11 = Vector512.Create(key[7]);
        Vector512<uint> v12 = Vector512.Load(tails);
        Vector512<uint> v13 = Vector512.Load(tails + rowLength);
        Vector512<uint> v14 = Vector512.Load(tails + (2 * rowLength));
        Vector512<uint> v15 = Vector512.Load(tails + (3 * rowLength));
        for (int round = 0; round < 10; round++)
        {
            Quarters(ref v0, ref v4, ref v8, ref v12, ref v1, ref v5, ref v9, ref v13);
            Quarters(ref v2, ref v6, ref v10, ref v14, ref v3, ref v7, ref v11, ref v15);
            Quarters(ref v0, ref v5, ref v10, ref v15, ref v1, ref v6, ref v11, ref v12);
            Quarters(ref v2, ref v7, ref v8, ref v13, ref v3, ref v4, ref v9, ref v14);
        }

        v0 += Vector512.Create(0x61707865u);
        v1 += Vector512.Create(0x3320646eu);
        v2 += Vector512.Create(0x79622d32u);
        v3 += Vector512.Create(0x6b206574u);
        v4 += Vector512.Create(key[0]);
        v5 += Vector512.Create(key[1]);
        v6 += Vector512.Create(key[2]);
        v7 += Vector512.Create(key[3]);
        v8 += Vector512.Create(key[4]);
        v9 += Vector512.Create(key[5]);
        v10 += Vector512.Create(key[6]);
        v11 += Vector512.Create(key[7]);
        v12 += Vector512.Load(tails);
        v13 += Vector512.Load(tails + rowLength);
        v14 += Vector512.Load(tails + (2 * rowLength));
        v15 += Vector512.Load(tails + (3 * rowLength));

        // From word-major to block-major: four words of four blocks at a time, then quarters of vectors.
        Transpose(ref v0, ref v1, ref v2, ref v3);
        Transpose(ref v4, ref v5, ref v6, ref v7);
        Transpose(ref v8, ref v9, ref v10, ref v11);
        Transpose(ref v12, ref v13, ref v14, ref v15);
        Store(v0, v4, v8, v12, stream);
        Store(v1, v5, v9, v13, stream + BlockLength);
        Store(v2, v6, v10, v14, stream + (2 * BlockLength));
        Store(v3, v7, v11, v15, stream + (3 * BlockLength));
    }

    // Two quarter rounds side by side: one alone waits for itself at every step.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarters(
        ref Vector512<uint> a,
        ref Vector512<uint> b,
        ref Vector512<uint> c,
        ref Vector512<uint> d,
        ref Vector512<uint> e,
        ref Vector512<uint> f,
        ref Vector512<uint> g,
        ref Vector512<uint> h)
    {
        a += b;
        e += f;
        d = Avx512F.RotateLeft(d ^ a, 16);
        h = Avx512F.RotateLeft(h ^ e, 16);
        c += d;
        g += h;
        b = Avx512F.RotateLeft(b ^ c, 12);
        f = Avx512F.RotateLeft(f ^ g, 12);
        a += b;
        e += f;
        d = Avx512F.RotateLeft(d ^ a, 8);
        h = Avx512F.RotateLeft(h ^ e, 8);
        c += d;
        g += h;
        b = Avx512F.RotateLeft(b ^ c, 7);
        f = Avx512F.RotateLeft(f ^ g, 7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        Vector512<ulong> low = Avx512F.UnpackLow(a, b).AsUInt64();
        Vector512<ulong> high = Avx512F.UnpackHigh(a, b).AsUInt64();
        Vector512<ulong> nextLow = Avx512F.UnpackLow(c, d).AsUInt64();
        Vector512<ulong> nextHigh = Avx512F.UnpackHigh(c, d).AsUInt64();
        a = Avx512F.UnpackLow(low, nextLow).AsUInt32();
        b = Avx512F.UnpackHigh(low, nextLow).AsUInt32();
        c = Avx512F.UnpackLow(high, nextHigh).AsUInt32();
        d = Avx512F.UnpackHigh(high, nextHigh).AsUInt32();
    }

    // The quarters of a are words 0 to 3 of every fourth block, those of b words 4 to 7, and so on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, byte* stream)
    {
        Vector512<uint> front = Avx512F.Shuffle4x128(a, b, 0x44);
        Vector512<uint> back = Avx512F.Shuffle4x128(a, b, 0xEE);
        Vector512<uint> nextFront = Avx512F.Shuffle4x128(c, d, 0x44);
        Vector512<uint> nextBack = Avx512F.Shuffle4x128(c, d, 0xEE);
        Avx512F.Shuffle4x128(front, nextFront, 0x88).Store((uint*)stream);
        Avx512F.Shuffle4x128(front, nextFront, 0xDD).Store((uint*)(stream + (4 * BlockLength)));
        Avx512F.Shuffle4x128(back, nextBack, 0x88).Store((uint*)(stream + (8 * BlockLength)));
        Avx512F.Shuffle4x128(back, nextBack, 0xDD).Store((uint*)(stream + (12 * BlockLength)));
    }
}

namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <summary>Compares the vector implementation with another one, once, before it is trusted with packets.</summary>
internal static class VectorSelfTest
{
    private const int Tag = ChaCha20Poly1305Key.TagLength;

    /// <summary>True if trains and single messages come out as those of the other implementation, and a forgery is refused.</summary>
    public static bool Passes()
    {
        using VectorChaCha20Poly1305Key key = new(AeadSelfTest.Key, isUnderTest: true);
        using ChaCha20Poly1305Key other = ChaCha20Poly1305Key.CreateOther(AeadSelfTest.Key);
        return Agrees(key, other, count: 2, stride: 1436, last: 1436)
            && Agrees(key, other, count: 3, stride: 700, last: 17)
            && Agrees(key, other, count: 11, stride: 112, last: 99);
    }

    private static bool Agrees(
        VectorChaCha20Poly1305Key key, ChaCha20Poly1305Key other, int count, int stride, int last)
    {
        byte[] train = new byte[((count - 1) * stride) + last];
        for (int i = 0; i < train.Length; i++)
        {
            train[i] = (byte)(i * 7);
        }

        byte[] expected = [.. train];
        const ulong First = 0xFFFF_FFFE;
        key.SealTrain(First, train, stride, 0);
        Span<ulong> counters = stackalloc ulong[count];
        for (int i = 0; i < count; i++)
        {
            counters[i] = First + (ulong)i;
            other.Seal(counters[i], expected.AsSpan(i * stride, Math.Min(stride, train.Length - (i * stride))));
        }

        if (!train.AsSpan().SequenceEqual(expected))
        {
            return false;
        }

        train[^(Tag + 1)] ^= 1;
        ulong all = (1UL << count) - 1;
        return key.OpenTrain(counters, train, stride, 0) == all >> 1 && key.OpenTrain(counters, expected, stride, 0) == all;
    }
}

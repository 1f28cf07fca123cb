using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Platform.Crypto.Vectors;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Crypto;

/// <summary>Trains of every implementation against single messages of libcrypto.</summary>
public sealed class CipherTrainTests
{
    private const int Tag = ChaCha20Poly1305Key.TagLength;
    private static readonly byte[] KeyBytes = RandomNumberGenerator.GetBytes(32);

    public static TheoryData<string> Implementations => ChaCha20Poly1305KeyTests.Implementations;

    [Fact]
    public void The_vectors_pass_their_self_test()
    {
        if (VectorChaCha20Poly1305Key.IsSupported)
        {
            Assert.True(VectorSelfTest.Passes());
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Trains_are_messages_one_behind_the_other(string implementation)
    {
        using ChaCha20Poly1305Key key = ChaCha20Poly1305KeyTests.Make(implementation, KeyBytes);
        using ChaCha20Poly1305Key single = ChaCha20Poly1305KeyTests.Make("libcrypto", KeyBytes);
        Random random = new(3);

        // Together more than 100,000 messages for the implementation that is our own.
        int rounds = implementation == "vectors" ? 4_000 : 200;
        for (int round = 0; round < rounds; round++)
        {
            int count = random.Next(1, 65);
            int skip = random.Next(3) * 8;
            int stride = skip + Tag + (random.Next(4) == 0 ? random.Next(1500) : random.Next(200));
            int last = random.Next(skip + Tag, stride + 1);
            byte[] train = new byte[((count - 1) * stride) + last];
            random.NextBytes(train);
            byte[] plain = [.. train];
            byte[] expected = [.. train];
            ulong first = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            ulong[] counters = new ulong[count];
            for (int i = 0; i < count; i++)
            {
                counters[i] = first + (ulong)i;
                single.Seal(counters[i], expected.AsSpan(Range(i)));
            }

            key.SealTrain(first, train, stride, skip);
            Assert.True(train.AsSpan().SequenceEqual(expected), $"{count} messages of {stride}, last {last}, skip {skip}");

            ulong bad = random.Next(2) == 0 ? 0 : 1UL << random.Next(count);
            for (int i = 0; i < count; i++)
            {
                if ((bad >> i & 1) != 0)
                {
                    (int start, int end) = Bounds(i);
                    train[random.Next(start, end)] ^= (byte)(1 << random.Next(8));
                }
            }

            ulong all = count == 64 ? ulong.MaxValue : (1UL << count) - 1;
            Assert.Equal(all & ~bad, key.OpenTrain(counters, train, stride, skip));
            for (int i = 0; i < count; i++)
            {
                (int start, int end) = Bounds(i);
                Assert.True(
                    (bad >> i & 1) != 0
                    || train.AsSpan(start, end - start - Tag).SequenceEqual(plain.AsSpan(start, end - start - Tag)));
            }

            (int Start, int End) Bounds(int index) =>
                ((index * stride) + skip, Math.Min((index + 1) * stride, train.Length));

            Range Range(int index) => Bounds(index).Start..Bounds(index).End;
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Counters_of_received_trains_may_have_gaps(string implementation)
    {
        using ChaCha20Poly1305Key key = ChaCha20Poly1305KeyTests.Make(implementation, KeyBytes);
        ulong[] counters = [7, 5, 0, ulong.MaxValue, 1UL << 40, 1UL << 31];
        byte[] train = new byte[counters.Length * 100];
        for (int i = 0; i < counters.Length; i++)
        {
            key.Seal(counters[i], train.AsSpan((i * 100) + 16, 84));
        }

        Assert.Equal(0b111111UL, key.OpenTrain(counters, train, 100, 16));
        Assert.All(train.Chunk(100), message => Assert.All(message[..84], value => Assert.Equal(0, value)));
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Trains_allocate_nothing(string implementation)
    {
        using ChaCha20Poly1305Key key = ChaCha20Poly1305KeyTests.Make(implementation, KeyBytes);
        byte[] train = new byte[20 * 300];
        ulong[] counters = [.. Enumerable.Range(0, 20).Select(i => (ulong)i)];
        ulong opened = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                key.SealTrain(0, train, 300, 16);
                opened = key.OpenTrain(counters, train, 300, 16);
            }
        }));
        Assert.Equal((1UL << 20) - 1, opened);
    }

    [Fact]
    public void Trains_that_do_not_fit_their_stride_are_refused()
    {
        if (!VectorChaCha20Poly1305Key.IsSupported)
        {
            return;
        }

        using ChaCha20Poly1305Key key = new VectorChaCha20Poly1305Key(KeyBytes);
        Assert.ThrowsAny<ArgumentException>(() => key.SealTrain(0, new byte[100], 10, 0));
        Assert.ThrowsAny<ArgumentException>(() => key.SealTrain(0, new byte[115], 100, 0));
        Assert.ThrowsAny<ArgumentException>(() => key.SealTrain(0, new byte[100], 100, 85));
        Assert.ThrowsAny<ArgumentException>(() => key.OpenTrain(new ulong[3], new byte[100], 50, 0));
        Assert.ThrowsAny<ArgumentException>(() => key.OpenTrain(new ulong[65], new byte[65 * 16], 16, 0));
    }
}

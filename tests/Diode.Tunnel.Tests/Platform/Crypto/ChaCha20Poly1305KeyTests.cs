using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Crypto;

public sealed class ChaCha20Poly1305KeyTests
{
    private static readonly byte[] KeyBytes = RandomNumberGenerator.GetBytes(32);

    public static TheoryData<string> Implementations => VectorChaCha20Poly1305Key.IsSupported ? ["libcrypto", ".NET", "vectors"] : ["libcrypto", ".NET"];

    [Fact]
    public void Create_takes_what_is_fastest_here()
    {
        Assert.True(ChaCha20Poly1305Key.IsSupported);
        Assert.True(LibcryptoChaCha20Poly1305Key.IsSupported);
        ChaCha20Poly1305Key.Prepare();
        using ChaCha20Poly1305Key key = ChaCha20Poly1305Key.Create(KeyBytes);
        Assert.IsType(
            VectorChaCha20Poly1305Key.IsSupported ? typeof(VectorChaCha20Poly1305Key) : typeof(LibcryptoChaCha20Poly1305Key), key);
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void The_vector_of_RFC_8439_is_reproduced(string implementation)
    {
        using ChaCha20Poly1305Key key = Make(implementation, AeadSelfTest.Key);
        Assert.True(AeadSelfTest.Passes(key));
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void The_self_test_notices_a_wrong_key(string implementation)
    {
        using ChaCha20Poly1305Key key = Make(implementation, KeyBytes);
        Assert.False(AeadSelfTest.Passes(key));
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void All_implementations_agree_for_every_kind_of_length(string implementation)
    {
        using ChaCha20Poly1305Key first = Make("libcrypto", KeyBytes);
        using ChaCha20Poly1305Key second = Make(implementation, KeyBytes);
        Random random = new(1);
        int[] lengths = [0, 1, 15, 16, 17, 63, 64, 65, 1420, 4095, 4096, 4097, 65535];
        foreach (int length in lengths.Concat(Enumerable.Range(0, 300).Select(_ => random.Next(0, 3000))))
        {
            byte[] plaintext = new byte[length];
            random.NextBytes(plaintext);
            byte[] aad = new byte[random.Next(0, 3) * 7 * random.Next(2)];
            ulong counter = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            byte[] one = [.. plaintext, .. new byte[16]];
            byte[] two = (byte[])one.Clone();
            first.Seal(counter, one, aad);
            second.Seal(counter, two, aad);
            Assert.Equal(two, one);
            Assert.True(first.Open(counter, two, aad));
            Assert.True(second.Open(counter, one, aad));
            Assert.Equal(plaintext, one[..length]);
            Assert.Equal(plaintext, two[..length]);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Open_refuses_every_change_and_leaves_zeros(string implementation)
    {
        using ChaCha20Poly1305Key key = Make(implementation, KeyBytes);
        byte[] good = new byte[48 + 16];
        key.Seal(7, good, [1, 2]);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] changed = (byte[])good.Clone();
            changed[i] ^= 0x40;
            Assert.False(key.Open(7, changed, [1, 2]));
            Assert.All(changed, static b => Assert.Equal(0, b));
        }

        Assert.False(key.Open(8, (byte[])good.Clone(), [1, 2]));
        Assert.False(key.Open(7, (byte[])good.Clone(), [1, 3]));
        Assert.False(key.Open(7, (byte[])good.Clone()));
        Assert.False(key.Open(7, good.AsSpan(0, 63).ToArray(), [1, 2]));
        Assert.False(key.Open(7, new byte[15], [1, 2]));
        Assert.True(key.Open(7, good, [1, 2]));
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Random_packets_are_refused(string implementation)
    {
        using ChaCha20Poly1305Key key = Make(implementation, KeyBytes);
        Random random = new(2);
        byte[] packet = new byte[128];
        int inputs = implementation == ".NET" ? 2_000 : 100_000;
        for (int i = 0; i < inputs; i++)
        {
            random.NextBytes(packet);
            Assert.False(key.Open((ulong)i, packet.AsSpan(0, random.Next(packet.Length + 1))));
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Seal_and_Open_allocate_nothing(string implementation)
    {
        using ChaCha20Poly1305Key key = Make(implementation, KeyBytes);
        byte[] packet = new byte[1420 + 16];
        for (ulong i = 0; i < 100; i++)
        {
            key.Seal(i, packet);
            key.Open(i, packet);
        }

        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (ulong i = 100; i < 1100; i++)
            {
                key.Seal(i, packet);
                key.Open(i, packet);
            }
        }));
    }

    [Fact]
    public async Task One_thread_seals_while_another_opens()
    {
        using ChaCha20Poly1305Key key = ChaCha20Poly1305Key.Create(KeyBytes);
        byte[] foreign = new byte[100 + 16];
        key.Seal(1, foreign);
        Task<bool> opening = Task.Run(() =>
        {
            bool all = true;
            for (int i = 0; i < 20_000; i++)
            {
                byte[] copy = (byte[])foreign.Clone();
                all &= key.Open(1, copy) && copy.AsSpan(0, 100).IndexOfAnyExcept((byte)0) < 0;
            }

            return all;
        });
        byte[] own = new byte[100 + 16];
        for (int i = 0; i < 20_000; i++)
        {
            own.AsSpan().Clear();
            key.Seal(1, own);
            Assert.True(own.AsSpan().SequenceEqual(foreign));
        }

        Assert.True(await opening);
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void A_disposed_key_says_so(string implementation)
    {
        ChaCha20Poly1305Key key = Make(implementation, KeyBytes);
        key.Dispose();
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Seal(0, new byte[16]));
        Assert.Throws<ObjectDisposedException>(() => key.Open(0, new byte[16]));
    }

    internal static ChaCha20Poly1305Key Make(string implementation, ReadOnlySpan<byte> key) =>
        implementation switch
        {
            "libcrypto" => new LibcryptoChaCha20Poly1305Key(key),
            ".NET" => new DotNetChaCha20Poly1305Key(key),
            _ => new VectorChaCha20Poly1305Key(key),
        };
}

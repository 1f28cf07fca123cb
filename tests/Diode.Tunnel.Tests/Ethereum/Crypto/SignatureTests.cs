using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Crypto;

public sealed class SignatureTests
{
    private static readonly Hash256 Digest = Keccak256.Hash("hello"u8);

    [Theory]
    [InlineData("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")]
    [InlineData("hello", "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8")]
    public void Keccak_matches_published_hashes(string text, string expected)
    {
        Assert.Equal("0x" + expected, Keccak256.Hash(Encoding.ASCII.GetBytes(text)).ToString());
    }

    [Fact]
    public void Keccak_is_the_same_however_the_input_is_cut()
    {
        byte[] data = [.. Enumerable.Range(0, 700).Select(i => (byte)(i * 31))];
        for (int length = 0; length <= data.Length; length += 7)
        {
            Hash256 whole = Keccak256.Hash(data.AsSpan(0, length));
            var hasher = new Keccak256Hasher();
            for (int start = 0; start < length; start += 53)
            {
                hasher.Append(data.AsSpan(start, Math.Min(53, length - start)));
            }

            Assert.Equal(whole, hasher.GetHashAndReset());
            hasher.Append(data.AsSpan(0, length));
            Assert.Equal(whole, hasher.GetHashAndReset());
        }
    }

    [Fact]
    public void A_generated_key_signs_and_the_signature_recovers_to_it()
    {
        using PrivateKey key = PrivateKey.Generate();
        Signature65 signature = key.SignHash(Digest);

        Assert.True(signature.TryRecover(Digest, out PublicKey? signer));
        Assert.Equal(key.PublicKey, signer);
        Assert.True(key.PublicKey.Verify(Digest, signature));
        Assert.False(key.PublicKey.Verify(Keccak256.Hash("other"u8), signature));
        Assert.True(Signature65.TryFromBytes(signature.ToArray(), out Signature65 same));
        Assert.Equal(signature, same);
    }

    [Fact]
    public void A_flipped_recovery_id_does_not_verify()
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] bytes = key.SignHash(Digest).ToArray();
        bytes[0] ^= 1;

        Assert.True(Signature65.TryFromBytes(bytes, out Signature65 flipped));
        Assert.False(key.PublicKey.Verify(Digest, flipped));
    }

    [Fact]
    public void The_default_signature_recovers_nothing()
    {
        Assert.False(default(Signature65).TryRecover(Digest, out _));
        Assert.False(Signature65.TryFromBytes(new byte[65], out _));
    }

    [Fact]
    public void Keys_outside_the_group_are_refused()
    {
        byte[] order = Convert.FromHexString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        Assert.False(PrivateKey.TryFromBytes(order, out _));
        Assert.False(PrivateKey.TryFromBytes(new byte[32], out _));
        Assert.False(PrivateKey.TryFromBytes(new byte[31], out _));
        order[31]--;
        Assert.True(PrivateKey.TryFromBytes(order, out _));
    }

    [Fact]
    public void A_disposed_key_neither_signs_nor_shows_its_bytes()
    {
        PrivateKey key = PrivateKey.Generate();
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.SignHash(Digest));
        Assert.Throws<ObjectDisposedException>(() => key.CopyTo(new byte[32]));
    }

    [Fact]
    public void Points_are_read_in_both_forms_and_only_on_the_curve()
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] compressed = new byte[33];
        byte[] uncompressed = key.PublicKey.ToUncompressedArray();
        key.PublicKey.CopyCompressedTo(compressed);
        Assert.True(PublicKey.TryFromBytes(compressed, out PublicKey? fromCompressed));
        Assert.True(PublicKey.TryFromBytes(uncompressed, out PublicKey? fromUncompressed));
        Assert.Equal(key.PublicKey, fromCompressed);
        Assert.Equal(key.PublicKey, fromUncompressed);

        uncompressed[64] ^= 1;
        Assert.False(PublicKey.TryFromBytes(uncompressed, out _));
        uncompressed[64] ^= 1;
        uncompressed[0] = (byte)(0x06 | (uncompressed[64] & 1));
        Assert.False(PublicKey.TryFromBytes(uncompressed, out _));
        Assert.False(PublicKey.TryFromBytes(compressed.AsSpan(1), out _));
        compressed.AsSpan(1).Fill(0xff);
        Assert.False(PublicKey.TryFromBytes(compressed, out _));
    }

    [Fact]
    public void Addresses_order_print_and_parse_like_their_bytes()
    {
        Address address = Address.Parse("0xAbCdEf0123456789aBcDeF0123456789ABCDEF01");
        Assert.Equal("0xabcdef0123456789abcdef0123456789abcdef01", address.ToString());
        Assert.Equal(address, new Address(address.ToArray()));
        Assert.True(Address.Zero < address);
        Assert.True(Address.Zero.IsZero);
        Assert.False(Address.TryParse("abcdef0123456789abcdef0123456789abcdef01", out _));
        Assert.False(Address.TryParse("0xabcdef0123456789abcdef0123456789abcdef0", out _));
        Assert.False(Address.TryParse("0xabcdef0123456789abcdef0123456789abcdef0g", out _));
        Assert.False(Address.TryParse((string?)null, out _));
    }
}

using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Crypto;

public sealed class NativeSecp256k1Tests
{
    private static readonly byte[] Order =
        Convert.FromHexString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

    [Fact]
    public void The_library_is_there()
    {
        Assert.True(NativeSecp256k1.IsSupported);
    }

    [Fact]
    public void Keys_signatures_and_recovery_equal_the_managed_ones_to_the_bit()
    {
        byte[] secret = new byte[32];
        byte[] digest = new byte[32];
        byte[] publicKey = new byte[65];
        byte[] signature = new byte[65];
        var random = new Random(1);
        for (int round = 0; round < 200; round++)
        {
            random.NextBytes(secret);
            random.NextBytes(digest);
            Assert.True(PrivateKey.TryFromBytes(secret, out PrivateKey? key));
            Assert.True(NativeSecp256k1.TryCreatePublicKey(secret, publicKey));
            Assert.Equal(key.PublicKey.ToUncompressedArray(), publicKey);
            Assert.True(NativeSecp256k1.TrySign(digest, secret, signature));
            Assert.Equal(key.SignHash(new Hash256(digest)).ToArray(), signature);
            publicKey.AsSpan().Clear();
            Assert.True(NativeSecp256k1.TryRecover(digest, signature, publicKey));
            Assert.Equal(key.PublicKey.ToUncompressedArray(), publicKey);
            byte[] compressed = new byte[33];
            key.PublicKey.CopyCompressedTo(compressed);
            Assert.True(NativeSecp256k1.TryReadPublicKey(compressed, publicKey));
            Assert.Equal(key.PublicKey.ToUncompressedArray(), publicKey);
            key.Dispose();
        }
    }

    [Fact]
    public void Damaged_signatures_and_keys_are_judged_as_by_the_managed_code()
    {
        using var key = PrivateKey.Generate();
        var digest = Hash256.Sha256("message"u8);
        byte[] compressed = new byte[33];
        key.PublicKey.CopyCompressedTo(compressed);
        var signatures = new InputMutator(1, key.SignHash(digest).ToArray(), [.. new byte[33], .. Order]);
        var keys = new InputMutator(2, compressed, key.PublicKey.ToUncompressedArray());
        byte[] found = new byte[65];
        for (int round = 0; round < 2000; round++)
        {
            if (Signature65.TryFromBytes(signatures.Next().ToArray(), out Signature65 signature))
            {
                bool expected = signature.TryRecover(digest, out PublicKey? signer);
                Assert.Equal(expected, NativeSecp256k1.TryRecover(digest.ToArray(), signature.ToArray(), found));
                Assert.True(!expected || signer!.ToUncompressedArray().AsSpan().SequenceEqual(found));
            }

            byte[] encoded = keys.Next().ToArray();
            bool valid = PublicKey.TryFromBytes(encoded, out PublicKey? read);
            Assert.Equal(valid, NativeSecp256k1.TryReadPublicKey(encoded, found));
            Assert.True(!valid || read!.ToUncompressedArray().AsSpan().SequenceEqual(found));
        }
    }

    [Fact]
    public void Secrets_out_of_range_make_no_key_and_no_signature()
    {
        byte[] output = new byte[65];
        foreach (byte[] secret in new[] { new byte[32], Order, [.. Enumerable.Repeat((byte)0xff, 32)] })
        {
            Assert.False(NativeSecp256k1.TryCreatePublicKey(secret, output));
            Assert.False(NativeSecp256k1.TrySign(RandomNumberGenerator.GetBytes(32), secret, output));
        }
    }

    [Fact]
    public void Wrong_lengths_are_a_fault_of_the_caller()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => NativeSecp256k1.TryRecover(new byte[31], new byte[65], new byte[65]));
        Assert.Throws<ArgumentOutOfRangeException>(() => NativeSecp256k1.TrySign(new byte[32], new byte[32], new byte[64]));
    }
}

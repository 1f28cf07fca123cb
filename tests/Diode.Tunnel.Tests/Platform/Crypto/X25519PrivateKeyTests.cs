using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Crypto;

public sealed class X25519PrivateKeyTests
{
    // RFC 7748 §6.1
    private static readonly byte[] Alice =
        Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");

    private static readonly byte[] AlicePublic =
        Convert.FromHexString("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");

    private static readonly byte[] Bob =
        Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

    private static readonly byte[] BobPublic =
        Convert.FromHexString("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");

    private static readonly byte[] Shared =
        Convert.FromHexString("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

    [Fact]
    public void The_vector_of_RFC_7748_is_reproduced()
    {
        Assert.True(X25519PrivateKey.IsSupported);
        using X25519PrivateKey alice = new(Alice);
        using X25519PrivateKey bob = new(Bob);
        byte[] output = new byte[32];
        alice.CopyPublicKeyTo(output);
        Assert.Equal(AlicePublic, output);
        bob.CopyPublicKeyTo(output);
        Assert.Equal(BobPublic, output);
        Assert.True(alice.TryAgree(BobPublic, output));
        Assert.Equal(Shared, output);
        Assert.True(bob.TryAgree(AlicePublic, output));
        Assert.Equal(Shared, output);
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void Keys_of_low_order_are_refused(string publicKey)
    {
        using X25519PrivateKey key = new(Alice);
        byte[] output = RandomNumberGenerator.GetBytes(32);
        Assert.False(key.TryAgree(Convert.FromHexString(publicKey), output));
        Assert.Equal(new byte[32], output);
    }

    [Fact]
    public void Keys_of_wrong_length_are_refused()
    {
        using X25519PrivateKey key = new(Alice);
        Assert.False(key.TryAgree(new byte[31], new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new X25519PrivateKey(new byte[33]));
    }

    [Fact]
    public void A_disposed_key_says_so()
    {
        X25519PrivateKey key = new(Alice);
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.TryAgree(BobPublic, new byte[32]));
    }
}

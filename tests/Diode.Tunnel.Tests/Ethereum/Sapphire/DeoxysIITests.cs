using System.Runtime.Intrinsics;
using Diode.Tunnel.Ethereum.Sapphire;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Sapphire;

/// <summary>The published vectors of the cipher's authors (of 2019-06-08), by the processor's instruction and without it.</summary>
public sealed class DeoxysIITests
{
    private const string Key = "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f";
    private const string Nonce = "202122232425262728292a2b2c2d2e";

    [Theory]
    [InlineData("", "", "2b97bd77712f0cde975309959dfe1d7c")]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "", "54708ae5565a71f147bdb94d7ba3aed7")]
    [InlineData("f495c9c03d29989695d98ff5d430650125805c1e0576d06f26cbda42b1f82238b8", "", "3277689dc4208cc1ff59d15434a1baf1")]
    [InlineData("", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "9da20db1c2781f6669257d87e2a4d9be1970f7581bef2c995e1149331e5e8cc192ce3aec3a4b72ff9eab71c2a93492fa")]
    [InlineData("", "15cd77732f9d0c4c6e581ef400876ad9188c5b8850ebd38224da95d7cdc99f7acc", "e5ffd2abc5b459a73667756eda6443ede86c0883fc51dd75d22bb14992c684618c5fa78d57308f19d0252072ee39df5ecc")]
    [InlineData("000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "109f8a168b36dfade02628a9e129d5257f03cc7912aefa79729b67b186a2b08f6549f9bf10acba0a451dbb2484a60d90")]
    [InlineData("000102030405060708090a0b0c0d0e0f10", "422857fb165af0a35c03199fb895604dca9cea6d788954962c419e0d5c225c0327", "7d772203fa38be296d8d20d805163130c69aba8cb16ed845c2296c61a8f34b394e0b3f10e3933c78190b24b33008bf80e9")]
    public void Published_vectors(string associated, string message, string expected)
    {
        foreach (bool isPortable in (bool[])[false, true])
        {
            using var cipher = new DeoxysII(Convert.FromHexString(Key), isPortable);
            byte[] sealedMessage = cipher.Seal(Convert.FromHexString(Nonce), Convert.FromHexString(message), Convert.FromHexString(associated));
            Assert.Equal(expected, Convert.ToHexStringLower(sealedMessage));
            Assert.Equal(
                message, Convert.ToHexStringLower(cipher.Open(Convert.FromHexString(Nonce), sealedMessage, Convert.FromHexString(associated))!));
        }
    }

    [Fact]
    public void A_change_of_any_bit_is_noticed()
    {
        using var cipher = new DeoxysII(Convert.FromHexString(Key));
        byte[] nonce = Convert.FromHexString(Nonce);
        byte[] sealedMessage = cipher.Seal(nonce, "twenty-one characters"u8, "and more"u8);
        for (int bit = 0; bit < sealedMessage.Length * 8; bit++)
        {
            sealedMessage[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(cipher.Open(nonce, sealedMessage, "and more"u8));
            sealedMessage[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.NotNull(cipher.Open(nonce, sealedMessage, "and more"u8));
        Assert.Null(cipher.Open(nonce, sealedMessage, "and less"u8));
        Assert.Null(cipher.Open(nonce, sealedMessage.AsSpan(0, 15)));
        Assert.Null(cipher.Open(nonce.AsSpan(1), sealedMessage));
        nonce[3] ^= 1;
        Assert.Null(cipher.Open(nonce, sealedMessage, "and more"u8));
    }

    /// <summary>FIPS 197 appendix B, round 1; then both ways side by side.</summary>
    [Fact]
    public void The_round_is_that_of_AES()
    {
        Vector128<byte> state = Vector128.Create(Convert.FromHexString("193de3bea0f4e22b9ac68d2ae9f84808"));
        Vector128<byte> key = Vector128.Create(Convert.FromHexString("a0fafe1788542cb123a339392a6c7605"));
        Vector128<byte> after = Vector128.Create(Convert.FromHexString("a49c7ff2689f352b6b5bea43026a5049"));
        Assert.Equal(after, AesRound.EncryptPortable(state, key));
        Assert.Equal(after, AesRound.Encrypt(state, key));
        for (int i = 0; i < 1000; i++)
        {
            state = AesRound.EncryptPortable(state, key);
            key = AesRound.Encrypt(key, state);
            Assert.Equal(AesRound.Encrypt(state, key), AesRound.EncryptPortable(state, key));
        }
    }
}

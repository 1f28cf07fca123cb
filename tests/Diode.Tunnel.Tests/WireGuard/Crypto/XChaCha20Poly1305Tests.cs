using System.Text;
using Diode.Tunnel.WireGuard.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Crypto;

public class XChaCha20Poly1305Tests
{
    [Fact] // draft-irtf-cfrg-xchacha-03 §2.2.1
    public void HChaCha20_matches_the_draft()
    {
        byte[] key = Convert.FromHexString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        byte[] subkey = new byte[32];
        HChaCha20.DeriveKey(key, Convert.FromHexString("000000090000004a0000000031415927"), subkey);
        Assert.Equal(
            "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", Convert.ToHexStringLower(subkey));
    }

    [Fact] // draft-irtf-cfrg-xchacha-03 appendix A.3.1
    public void Seal_and_Open_match_the_draft()
    {
        byte[] key = Convert.FromHexString("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        byte[] nonce = Convert.FromHexString("404142434445464748494a4b4c4d4e4f5051525354555657");
        byte[] associated = Convert.FromHexString("50515253c0c1c2c3c4c5c6c7");
        byte[] plaintext = Encoding.ASCII.GetBytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            + "sunscreen would be it.");
        byte[] buffer = [.. plaintext, .. new byte[16]];

        XChaCha20Poly1305.Seal(AeadFactory.Default, key, nonce, buffer, associated);
        Assert.Equal(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
            + "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
            + "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
            + "21f9664c97637da9768812f615c68b13b52e"
            + "c0875924c1c7987947deafd8780acf49",
            Convert.ToHexStringLower(buffer));

        Assert.True(XChaCha20Poly1305.Open(AeadFactory.Default, key, nonce, buffer, associated));
        Assert.Equal(plaintext, buffer[..plaintext.Length]);
    }

    [Fact]
    public void Open_refuses_another_nonce()
    {
        byte[] buffer = new byte[32];
        byte[] nonce = new byte[24];
        XChaCha20Poly1305.Seal(AeadFactory.Default, new byte[32], nonce, buffer, []);
        nonce[3] = 1;
        Assert.False(XChaCha20Poly1305.Open(AeadFactory.Default, new byte[32], nonce, buffer, []));
    }
}

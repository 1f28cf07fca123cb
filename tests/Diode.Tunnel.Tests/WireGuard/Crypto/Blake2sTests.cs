using Diode.Tunnel.WireGuard.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Crypto;

public class Blake2sTests
{
    [Fact] // RFC 7693 appendix B
    public void Hash_matches_rfc_7693()
    {
        byte[] hash = new byte[32];
        Blake2s.Hash("ab"u8, "c"u8, hash);
        Assert.Equal("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", Convert.ToHexStringLower(hash));
    }

    // Produced with Python's hashlib.blake2s and hmac: data and key count up from zero.
    [Theory]
    [InlineData(
        0,
        "9536f9b267655743dee97b8a670f9f53",
        "af4e5d3bb230e9ff9096ca6f7c501f76",
        "e2641d24dfa8dd89e8cb77f1cdc77d8c006e5bebdfc4d6a3a3a6f8d5b7586fb0",
        "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9")]
    [InlineData(
        3,
        "1e2a79436a7796a3e9826bfedf07659f",
        "a63420ca605c6a6d122381a74bde7c9c",
        "fb3e80cfc950d62fb256c9e5d2219b1d5533d9e3862f9f61f4e02865363b031e",
        "e8f91c6ef232a041452ab0e149070cdd7dd1769e75b3a5921be37876c45c9900")]
    [InlineData(
        64,
        "f1efa90d2547036841ecd3627fafbc36",
        "dd55c51c98f8ab96ed272882941f0b6a",
        "3b35e945d05ac982850451ac8b6cdfffb98e56f50b95272fab665de081691056",
        "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e")]
    [InlineData(
        65,
        "811ff8686d23a435ecbd0bdafcd27b1b",
        "9018c671bb7e94a6d540a91765bbecad",
        "e0bf9ad5f46ae7cb59268a338f24391ad8cc125148746599da55803c3d80c2e2",
        "1b53ee94aaf34e4b159d48de352c7f0661d0a40edff95a0b1639b4090e974472")]
    [InlineData(
        200,
        "42a6f8ff590af21b512e9e088257aa34",
        "b8d300fa7937e4d1e67c8468df4c9a43",
        "543eec9b22646365ef782d72dae137cc761d018005f8d33d0f20bfbd01e62974",
        "6d244e1a06ce4ef578dd0f63aff0936706735119ca9c8d22d86c801414ab9741")]
    public void All_forms_match_another_implementation(
        int length, string mac32, string mac16, string hmac, string hash)
    {
        byte[] key = Count(32);
        byte[] data = Count(length);
        byte[] result = new byte[32];
        Blake2s.Mac(key, data, result);
        Assert.Equal(mac32, Convert.ToHexStringLower(result.AsSpan(0, 16)));
        Blake2s.Mac(key.AsSpan(0, 16), data, result);
        Assert.Equal(mac16, Convert.ToHexStringLower(result.AsSpan(0, 16)));
        Blake2s.Hmac(key, data.AsSpan(0, length / 2), data.AsSpan(length / 2), result);
        Assert.Equal(hmac, Convert.ToHexStringLower(result));
        Blake2s.Hash(data.AsSpan(0, length / 2), data.AsSpan(length / 2), result);
        Assert.Equal(hash, Convert.ToHexStringLower(result));
    }

    private static byte[] Count(int length)
    {
        return [.. Enumerable.Range(0, length).Select(i => (byte)i)];
    }
}

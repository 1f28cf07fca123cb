using System.Text;
using Diode.Tunnel.WireGuard.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Crypto;

public class AeadTests
{
    public static TheoryData<string> Factories => ["dotnet", "managed"];

    [Theory] // RFC 8439 appendix A.5, whose nonce begins with four zero bytes as WireGuard's do
    [MemberData(nameof(Factories))]
    public void Seal_and_Open_match_rfc_8439(string factory)
    {
        const string Text = "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
            + "replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as "
            + "reference material or to cite them other than as /\u201cwork in progress./\u201d";
        byte[] key = Convert.FromHexString("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
        byte[] associated = Convert.FromHexString("f33388860000000000004e91");
        byte[] plaintext = Encoding.UTF8.GetBytes(Text);
        byte[] buffer = [.. plaintext, .. new byte[16]];
        Assert.Equal(265 + 16, buffer.Length);

        using IAeadKey aead = Create(factory, key);
        aead.Seal(0x0807060504030201, buffer, associated);
        Assert.Equal("64a0861575861af460f062c79be643bd", Convert.ToHexStringLower(buffer.AsSpan(0, 16)));
        Assert.Equal("eead9d67890cbb22392336fea1851f38", Convert.ToHexStringLower(buffer.AsSpan(265)));

        Assert.True(aead.Open(0x0807060504030201, buffer, associated));
        Assert.Equal(plaintext, buffer[..265]);
    }

    [Theory]
    [MemberData(nameof(Factories))]
    public void Open_refuses_every_changed_bit_without_throwing(string factory)
    {
        byte[] sealedBytes = new byte[20];
        using IAeadKey aead = Create(factory, new byte[32]);
        aead.Seal(7, sealedBytes, [1, 2, 3]);
        for (int bit = 0; bit < sealedBytes.Length * 8; bit++)
        {
            byte[] changed = [.. sealedBytes];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(aead.Open(7, changed, [1, 2, 3]));
        }

        Assert.False(aead.Open(8, [.. sealedBytes], [1, 2, 3]));
        Assert.False(aead.Open(7, [.. sealedBytes], [1, 2, 4]));
        Assert.True(aead.Open(7, [.. sealedBytes], [1, 2, 3]));
    }

    [Fact]
    public void Both_implementations_agree_at_every_length()
    {
        Random random = new(5);
        byte[] key = new byte[32];
        random.NextBytes(key);
        for (int length = 0; length < 200; length++)
        {
            byte[] text = new byte[length + 16];
            random.NextBytes(text);
            byte[] other = [.. text];
            using IAeadKey first = AeadFactory.DotNet.Create(key);
            using IAeadKey second = AeadFactory.Managed.Create(key);
            first.Seal((ulong)length, text);
            second.Seal((ulong)length, other);
            Assert.Equal(text, other);
            Assert.True(second.Open((ulong)length, other));
        }
    }

    private static IAeadKey Create(string factory, byte[] key)
    {
        return (factory == "managed" ? AeadFactory.Managed : AeadFactory.DotNet).Create(key);
    }
}

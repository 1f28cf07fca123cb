using Diode.Tunnel.Ethereum.Sapphire;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Sapphire;

public sealed class CborTests
{
    /// <summary>RFC 8949 appendix A.</summary>
    [Theory]
    [InlineData(0UL, "00")]
    [InlineData(23UL, "17")]
    [InlineData(24UL, "1818")]
    [InlineData(255UL, "18ff")]
    [InlineData(1000UL, "1903e8")]
    [InlineData(1000000UL, "1a000f4240")]
    [InlineData(1000000000000UL, "1b000000e8d4a51000")]
    [InlineData(ulong.MaxValue, "1bffffffffffffffff")]
    public void Numbers_have_their_shortest_form(ulong value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(new CborWriter().WriteUInt(value).ToArray()));
        var reader = new CborReader(Convert.FromHexString(hex));
        Assert.True(reader.TryReadUInt(out ulong read));
        Assert.Equal(value, read);
        Assert.True(reader.IsAtEnd);
    }

    [Fact]
    public void Maps_bytes_and_texts_come_back()
    {
        byte[] cbor = new CborWriter().BeginMap(2).WriteText("a").WriteBytes([1, 2]).WriteText("ü").WriteEncoded([0xf6]).ToArray();
        Assert.Equal("a26161420102" + "62c3bc" + "f6", Convert.ToHexStringLower(cbor));
        var reader = new CborReader(cbor);
        Assert.True(reader.IsMap);
        Assert.True(reader.TryReadMap(out int members));
        Assert.Equal(2, members);
        Assert.True(reader.TryReadText(out string? key));
        Assert.Equal("a", key);
        Assert.True(reader.TryReadBytes(out ReadOnlySpan<byte> bytes));
        Assert.Equal([1, 2], bytes.ToArray());
        Assert.True(reader.TryReadText(out key));
        Assert.Equal("ü", key);
        Assert.True(reader.TrySkip());
        Assert.True(reader.IsAtEnd);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1801")] // a number that would fit into its first byte
    [InlineData("1900ff")]
    [InlineData("1b00000000ffffffff")]
    [InlineData("1c")] // a form that does not exist
    [InlineData("5f4101ff")] // a length left open
    [InlineData("9fff")]
    [InlineData("bfff")]
    [InlineData("19ff")] // cut off
    [InlineData("5bffffffffffffffff00")] // longer than what is there
    [InlineData("9bffffffffffffffff00")]
    [InlineData("bb7fffffffffffffff00")]
    [InlineData("8181818181818181818181818181818181818181818181f6")] // too deep
    public void What_is_not_canonical_is_refused(string hex)
    {
        byte[] data = Convert.FromHexString(hex);
        Assert.False(new CborReader(data).TrySkip());
        Assert.False(new CborReader(data).TryReadUInt(out _));
        Assert.False(new CborReader(data).TryReadBytes(out _));
        Assert.False(new CborReader(data).TryReadText(out _));
        Assert.False(new CborReader(data).TryReadMap(out _));
    }

    [Fact]
    public void Every_kind_can_be_passed_over()
    {
        foreach (string hex in (string[])["00", "20", "4101", "6161", "820102", "a1616101", "c11a514b67b0", "f6", "f5", "fb3ff199999999999a", "f90000"])
        {
            var reader = new CborReader(Convert.FromHexString(hex));
            Assert.True(reader.TrySkip(), hex);
            Assert.True(reader.IsAtEnd, hex);
        }

        Assert.False(new CborReader([0x62, 0xc3, 0x28]).TryReadText(out _));
    }

    [Fact]
    public void Noise_never_throws()
    {
        var random = new Random(1);
        byte[] noise = new byte[64];
        for (int i = 0; i < 100_000; i++)
        {
            random.NextBytes(noise);
            Span<byte> some = noise.AsSpan(0, random.Next(noise.Length));
            new CborReader(some).TrySkip();
            new CborReader(some).TryReadText(out _);
            var reader = new CborReader(some);
            _ = reader.TryReadMap(out _) && reader.TryReadText(out _) && reader.TryReadBytes(out _);
        }
    }
}

using Diode.Tunnel.Ethereum.Rlp;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Rlp;

public sealed class RlpTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(55)]
    [InlineData(56)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(70000)]
    public void What_the_writer_writes_the_reader_reads(int length)
    {
        byte[] data = new byte[length];
        data.AsSpan().Fill(0x99);
        var writer = new RlpWriter();
        for (int round = 0; round < 2; round++)
        {
            writer.Reset();
            writer.BeginList();
            writer.WriteUInt64((ulong)length);
            writer.BeginList();
            writer.WriteBytes(data);
            writer.WriteText("x");
            writer.EndList();
            writer.EndList();

            Assert.True(RlpReader.TryReadSingleList(writer.WrittenSpan, out RlpReader items));
            Assert.True(items.TryReadUInt64(out ulong number));
            Assert.Equal((ulong)length, number);
            Assert.True(items.TryReadList(out RlpReader inner));
            Assert.True(items.IsEmpty);
            Assert.True(inner.TryReadBytes(out ReadOnlySpan<byte> read));
            Assert.True(read.SequenceEqual(data));
            Assert.True(inner.TryReadBytes(out ReadOnlySpan<byte> text));
            Assert.True(text.SequenceEqual("x"u8));
            Assert.False(inner.TryReadBytes(out _));
        }
    }

    [Fact]
    public void A_refused_read_leaves_the_position()
    {
        var reader = new RlpReader([0x83, 1, 2, 3]);
        Assert.False(reader.TryReadList(out _));
        Assert.False(reader.TryReadAddress(out _));
        Assert.True(reader.TryReadUInt64(out ulong value));
        Assert.Equal(0x010203UL, value);
    }

    [Fact]
    public void Deep_nesting_is_refused_without_recursing_further()
    {
        byte[] data = new byte[100_000];
        for (int i = 0; i < data.Length; i++)
        {
            int payload = data.Length - i - 4;
            data[i] = 0xc0;
            if (i % 4 == 0 && payload > 0)
            {
                data[i] = 0xfa;
                data[i + 1] = (byte)(payload >> 16);
                data[i + 2] = (byte)(payload >> 8);
                data[i + 3] = (byte)payload;
                i += 3;
            }
        }

        Assert.False(RlpReader.IsWellFormed(data));
        Assert.False(RlpItem.TryDecode(data, out _));
    }

    [Fact]
    public void Integers_above_64_bits_are_refused()
    {
        var reader = new RlpReader([0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        Assert.False(reader.TryReadUInt64(out _));
        reader = new RlpReader([0x89, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        Assert.True(reader.TryReadUInt64(out ulong value));
        Assert.Equal(ulong.MaxValue, value);
    }
}

using Diode.Tunnel.Edge.Framing;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Framing;

public sealed class FramingTests
{
    [Fact]
    public void Frames_are_the_same_however_the_stream_is_cut()
    {
        byte[] stream = [0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 44, .. new byte[300], 0, 2, 8, 9];
        for (int piece = 1; piece <= stream.Length; piece++)
        {
            using var reader = new FrameReader();
            var lengths = new List<int>();
            for (int at = 0; at < stream.Length; at += piece)
            {
                ReadOnlySpan<byte> input = stream.AsSpan(at, Math.Min(piece, stream.Length - at));
                while (reader.TryRead(ref input, out ReadOnlySpan<byte> payload))
                {
                    lengths.Add(payload.Length);
                }
            }

            Assert.Equal([1, 300, 2], lengths);
        }
    }

    [Fact]
    public void Datagrams_are_the_same_however_the_stream_is_cut()
    {
        byte[] stream = [5, 0, 0, 0, .. "hello"u8, 0, 0, 0, 0, 44, 1, 0, 0, .. new byte[300]];
        for (int piece = 1; piece <= stream.Length; piece++)
        {
            using var reader = new DatagramStreamReader();
            var lengths = new List<int>();
            for (int at = 0; at < stream.Length; at += piece)
            {
                ReadOnlySpan<byte> input = stream.AsSpan(at, Math.Min(piece, stream.Length - at));
                while (reader.TryRead(ref input, out ReadOnlySpan<byte> datagram))
                {
                    lengths.Add(datagram.Length);
                }
            }

            Assert.Equal([5, 0, 300], lengths);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(2)]
    public void An_impossible_datagram_length_breaks_the_stream(int cut)
    {
        byte[] stream = [0, 0, 1, 0, 1, 2, 3];
        using var reader = new DatagramStreamReader();
        ReadOnlySpan<byte> first = stream.AsSpan(0, cut);
        ReadOnlySpan<byte> second = stream.AsSpan(cut);
        Assert.False(reader.TryRead(ref first, out _));
        Assert.False(reader.TryRead(ref second, out _));
        Assert.True(reader.IsBroken);
    }

    [Fact]
    public void The_output_buffer_gives_back_what_was_written_in_order()
    {
        using var output = new OutputBuffer();
        var expected = new Queue<byte>();
        byte next = 0;
        for (int round = 0; round < 500; round++)
        {
            int write = round * 37 % 700;
            Span<byte> space = output.GetSpan(write);
            for (int i = 0; i < write; i++)
            {
                space[i] = next;
                expected.Enqueue(next++);
            }

            output.Advance(write);
            byte[] read = new byte[round * 53 % 701];
            int count = output.Read(read);
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(expected.Dequeue(), read[i]);
            }

            Assert.Equal(expected.Count, output.Length);
        }
    }
}

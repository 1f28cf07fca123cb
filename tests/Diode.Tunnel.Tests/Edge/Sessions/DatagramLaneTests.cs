using System.Buffers.Binary;
using Diode.Tunnel.Edge.Sessions;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>Frames that may be dropped, beside frames that may not.</summary>
public sealed class DatagramLaneTests : IFrameOutboxOwner, IFrameOutboxWaiter
{
    private const int Limit = 100_000;

    private int _signals;
    private int _rooms;
    private int _expired;
    private int _expiredBytes;

    void IFrameOutboxOwner.OnOutputAvailable() => _signals++;

    void IFrameOutboxOwner.OnOutputOverflow()
    {
    }

    void IFrameOutboxOwner.OnDatagramsExpired(int count, int bytes)
    {
        _expired += count;
        _expiredBytes += bytes;
    }

    void IFrameOutboxWaiter.OnOutboxRoom() => _rooms++;

    [Fact]
    public void What_waited_too_long_is_dropped()
    {
        var outbox = new FrameOutbox(this, Limit, 0);
        Write(outbox, 1, 1000, nowMs: 100);
        Write(outbox, 2, 20_000, nowMs: 110);
        outbox.WriteControl([0, 1], [9]);
        Write(outbox, 3, 1000, nowMs: 130);
        Assert.Equal(1, _signals);
        Assert.Equal([9, 3], Read(outbox, nowMs: 100 + FrameOutbox.MaxDatagramDelayMs + 11));
        Assert.Equal((2, 21_004), (_expired, _expiredBytes));
        Write(outbox, 4, 10, nowMs: 200);
        Assert.Equal(2, _signals);
        Assert.Equal([4], Read(outbox, nowMs: 200 + FrameOutbox.MaxDatagramDelayMs));
    }

    [Fact]
    public void A_frame_that_was_begun_is_finished_and_one_that_must_not_be_dropped_comes()
    {
        var outbox = new FrameOutbox(this, Limit, 0);
        Write(outbox, 1, 40_000, nowMs: 100);
        Assert.True(outbox.TryPeek(100, out ReadOnlyMemory<byte> chunk));
        List<byte> bytes = [.. chunk.Span];
        outbox.Advance(chunk.Length);
        outbox.WriteControl([0, 1], [9]);
        Write(outbox, 3, 1000, nowMs: 100);
        Write(outbox, 2, 1000, nowMs: 100, mayDrop: false);
        Assert.Equal([1, 9, 2], Read(outbox, nowMs: 1000, bytes));
        Assert.Equal(1, _expired);
    }

    [Fact]
    public void Full_means_dropped_or_waiting()
    {
        var outbox = new FrameOutbox(this, Limit, 0);
        Write(outbox, 1, Limit / 2, nowMs: 100);
        Assert.Equal(FrameOutboxResult.Dropped, outbox.TryWriteDatagrams([0, 1], [7], mayDrop: true, this, 100));
        Assert.Equal(FrameOutboxResult.Full, outbox.TryWriteDatagrams([0, 1], [7], mayDrop: false, this, 100));
        Assert.Equal(FrameOutboxResult.Queued, outbox.TryWriteData([0, 1], [7], this, 100));
        Assert.Equal(0, _rooms);
        Read(outbox, nowMs: 100);
        Assert.Equal(1, _rooms);
    }

    [Fact]
    public void Neither_kind_waits_for_the_end_of_the_other()
    {
        var outbox = new FrameOutbox(this, int.MaxValue / 2, 0);
        for (int i = 0; i < 10; i++)
        {
            outbox.TryWriteData([0x3e, 0x80], Body(1, 16_000), this, 100);
            Write(outbox, 2, 16_000, nowMs: 100);
        }

        List<byte> order = Read(outbox, nowMs: 100);
        Assert.Equal(20, order.Count);
        Assert.InRange(order.IndexOf(2), 0, 2);
        Assert.InRange(order.LastIndexOf(1), 15, 19);
    }

    [Fact]
    public void Frames_stay_whole_whatever_is_written_and_taken()
    {
        var random = new Random(3);
        var outbox = new FrameOutbox(this, int.MaxValue / 2, 0);
        List<byte> bytes = [];
        int written = 0;
        for (int i = 0; i < 3000; i++)
        {
            int length = 1 + random.Next(i % 40 == 0 ? 60_000 : 300);
            byte[] head = new byte[2];
            BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)length);
            FrameOutboxResult result = random.Next(3) == 0
                ? outbox.TryWriteData(head, Body(5, length), this, i)
                : outbox.TryWriteDatagrams(head, Body(6, length), random.Next(4) > 0, this, i);
            written += result == FrameOutboxResult.Queued ? 1 : 0;
            if (random.Next(12) == 0 && outbox.TryPeek(i, out ReadOnlyMemory<byte> chunk))
            {
                int count = random.Next(3) == 0 ? 1 + random.Next(chunk.Length) : chunk.Length;
                bytes.AddRange(chunk.Span[..count]);
                outbox.Advance(count);
            }
        }

        int read = Read(outbox, nowMs: 3000, bytes).Count;
        Assert.Equal(written, read + _expired);
        Assert.InRange(_expired, 10, written);
        outbox.Release();
    }

    private static byte[] Body(byte mark, int length)
    {
        byte[] body = new byte[length];
        Array.Fill(body, mark);
        return body;
    }

    private void Write(FrameOutbox outbox, byte mark, int length, long nowMs, bool mayDrop = true)
    {
        byte[] head = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)length);
        Assert.Equal(FrameOutboxResult.Queued, outbox.TryWriteDatagrams(head, Body(mark, length), mayDrop, this, nowMs));
    }

    // The mark of each frame; every byte of a frame must be its mark.
    private static List<byte> Read(FrameOutbox outbox, long nowMs, List<byte>? begun = null)
    {
        List<byte> bytes = begun ?? [];
        while (outbox.TryPeek(nowMs, out ReadOnlyMemory<byte> chunk))
        {
            bytes.AddRange(chunk.Span);
            outbox.Advance(chunk.Length);
        }

        List<byte> marks = [];
        byte[] all = [.. bytes];
        for (int at = 0; at < all.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(all.AsSpan(at));
            ReadOnlySpan<byte> body = all.AsSpan(at + 2, length);
            Assert.Equal(-1, body.IndexOfAnyExcept(body[0]));
            marks.Add(body[0]);
            at += 2 + length;
        }

        return marks;
    }
}

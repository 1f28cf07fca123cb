using Diode.Tunnel.Edge.Sessions;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

public sealed class FrameOutboxTests : IFrameOutboxOwner, IFrameOutboxWaiter
{
    private int _signals;
    private int _overflows;
    private int _rooms;

    void IFrameOutboxOwner.OnOutputAvailable() => _signals++;

    void IFrameOutboxOwner.OnOutputOverflow() => _overflows++;

    void IFrameOutboxWaiter.OnOutboxRoom() => _rooms++;

    [Fact]
    public void Signals_once_until_it_was_seen_empty()
    {
        var outbox = new FrameOutbox(this, 1000, 100);
        outbox.WriteControl([0, 1], [7]);
        outbox.WriteControl([0, 1], [8]);
        Assert.Equal(1, _signals);
        Assert.Equal([0, 1, 7, 0, 1, 8], ReadAll(outbox));
        outbox.WriteControl([0, 1], [9]);
        Assert.Equal(2, _signals);
        Assert.Equal(3, outbox.Length);
    }

    [Fact]
    public void Keeps_order_and_content_and_never_splits_a_length()
    {
        var random = new Random(7);
        var outbox = new FrameOutbox(this, int.MaxValue / 2, 0);
        List<byte> written = [];
        List<byte> read = [];
        for (int i = 0; i < 2000; i++)
        {
            byte[] body = new byte[random.Next(0, i % 50 == 0 ? 60_000 : 200)];
            random.NextBytes(body);
            byte[] head = [(byte)(body.Length >> 8), (byte)body.Length];
            written.AddRange([.. head, .. body]);
            outbox.TryWriteData(head, body, this, 1);
            if (i % 3 == 0 && outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
            {
                read.AddRange(chunk.Span);
                outbox.Advance(chunk.Length);
                Assert.False(EndsInsideLength(read));
            }
        }

        while (outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            read.AddRange(chunk.Span);
            outbox.Advance(chunk.Length);
            Assert.False(EndsInsideLength(read));
        }

        Assert.Equal(written, read);
        Assert.Equal(0, outbox.Length);
    }

    [Fact]
    public void Data_stops_at_the_limit_and_control_at_the_reserve()
    {
        var outbox = new FrameOutbox(this, 1000, 100);
        Assert.Equal(FrameOutboxResult.Queued, outbox.TryWriteData([0, 0], new byte[998], this, 5));
        Assert.Equal(FrameOutboxResult.Full, outbox.TryWriteData([0, 0], [], this, 6));
        Assert.Equal(FrameOutboxResult.Full, outbox.TryWriteData([0, 0], [], this, 7));
        Assert.Equal(6, outbox.BlockedSince);
        Assert.Equal(FrameOutboxResult.Queued, outbox.WriteControl([0, 0], new byte[98]));
        Assert.Equal(0, _overflows);
        Assert.Equal(FrameOutboxResult.Closed, outbox.WriteControl([0, 0], []));
        Assert.Equal(FrameOutboxResult.Closed, outbox.WriteControl([0, 0], []));
        Assert.Equal(1, _overflows);
        outbox.Close();
        outbox.Close();
        Assert.Equal(1, _rooms);
        outbox.Release();
        Assert.Equal(0, outbox.Length);
    }

    [Fact]
    public void Many_threads_lose_nothing()
    {
        const int threads = 4;
        const int frames = 5000;
        var outbox = new FrameOutbox(this, int.MaxValue / 2, 0);
        using var stop = new CancellationTokenSource();
        long read = 0;
        var reader = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested || outbox.Length > 0)
            {
                while (outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
                {
                    read += chunk.Length;
                    outbox.Advance(chunk.Length);
                }

                Thread.Yield();
            }
        });
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ =>
        {
            for (int i = 0; i < frames; i++)
            {
                outbox.TryWriteData([0, 100], new byte[100], this, 1);
            }
        });
        stop.Cancel();
        reader.Wait();
        Assert.Equal(threads * frames * 102L, read);
    }

    private static byte[] ReadAll(FrameOutbox outbox)
    {
        List<byte> all = [];
        while (outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            all.AddRange(chunk.Span);
            outbox.Advance(chunk.Length);
        }

        return [.. all];
    }

    private static bool EndsInsideLength(List<byte> bytes)
    {
        int at = 0;
        while (at < bytes.Count)
        {
            if (bytes.Count - at == 1)
            {
                return true;
            }

            at += 2 + ((bytes[at] << 8) | bytes[at + 1]);
        }

        return false;
    }
}

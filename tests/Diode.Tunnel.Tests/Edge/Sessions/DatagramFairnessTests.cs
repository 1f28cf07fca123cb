using System.Buffers.Binary;
using Diode.Tunnel.Edge.Sessions;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>Several senders of datagrams to one receiver.</summary>
public sealed class DatagramFairnessTests : IFrameOutboxOwner
{
    private const int HeadLength = 2;
    private int _expired;

    void IFrameOutboxOwner.OnOutputAvailable()
    {
    }

    void IFrameOutboxOwner.OnOutputOverflow()
    {
    }

    void IFrameOutboxOwner.OnDatagramsExpired(int count, int bytes) => _expired += count;

    [Fact]
    public void A_flood_neither_delays_nor_crowds_out_what_others_send()
    {
        const int linkBytesPerMs = 1250;
        const int seconds = 3;
        var outbox = new FrameOutbox(this, 1 << 20, 0);
        Sender flood = new(1);
        Sender quiet = new(2);
        List<long> delays = [];
        long sent = 0;
        long floodBytes = 0;
        for (int now = 1; now <= seconds * 1000; now++)
        {
            for (int i = 0; i < 10; i++)
            {
                flood.Write(outbox, 1000, now);
            }

            if (now % 10 == 0)
            {
                Assert.Equal(FrameOutboxResult.Queued, quiet.Write(outbox, 100, now));
            }

            while (sent < (long)now * linkBytesPerMs && outbox.TryPeek(now, out ReadOnlyMemory<byte> chunk))
            {
                foreach ((int sender, _, long writtenMs, int length) in Read(chunk.ToArray()))
                {
                    floodBytes += sender == 1 ? length : 0;
                    if (sender == 2)
                    {
                        delays.Add(now - writtenMs);
                    }
                }

                sent += chunk.Length;
                outbox.Advance(chunk.Length);
            }
        }

        Assert.InRange(delays.Count, quiet.Written - 4, quiet.Written);
        Assert.InRange(delays.Max(), 0, 2 * FrameSegment.Size / linkBytesPerMs);
        Assert.InRange(floodBytes, (long)(0.9 * seconds * 1000 * linkBytesPerMs), long.MaxValue);
        Assert.InRange(_expired, 1, flood.Written);
    }

    [Fact]
    public void Who_writes_long_frames_gets_no_more_than_who_writes_short_ones()
    {
        var outbox = new FrameOutbox(this, 1 << 20, 0);
        Sender[] senders = [new(0), new(1), new(2)];
        int[] lengths = [100, 1400, 40_000];
        long[] bytes = new long[3];
        for (int round = 0; round < 200; round++)
        {
            for (int i = 0; i < senders.Length; i++)
            {
                while (senders[i].Write(outbox, lengths[i], 1) == FrameOutboxResult.Queued)
                {
                }
            }

            List<byte> piece = [];
            do
            {
                Assert.True(outbox.TryPeek(1, out ReadOnlyMemory<byte> chunk));
                piece.AddRange(chunk.Span);
                outbox.Advance(chunk.Length);
            }
            while (!IsWhole(piece));

            foreach ((int sender, _, _, int length) in Read([.. piece]))
            {
                bytes[sender] += length;
            }
        }

        Assert.InRange(bytes.Max(), 1, bytes.Min() + (bytes.Sum() / 10));
    }

    [Fact]
    public void The_order_of_each_sender_is_kept()
    {
        var random = new Random(5);
        var outbox = new FrameOutbox(this, 1 << 20, 0);
        Sender[] senders = [.. Enumerable.Range(0, 40).Select(static i => new Sender(i))];
        List<byte> bytes = [];
        for (int i = 0; i < 4000; i++)
        {
            int length = 20 + random.Next(random.Next(20) == 0 ? 50_000 : 1500);
            senders[random.Next(random.Next(1, senders.Length))].Write(outbox, length, i, random.Next(3) > 0);
            if (random.Next(20) == 0 && outbox.TryPeek(i, out ReadOnlyMemory<byte> chunk))
            {
                int count = random.Next(4) == 0 ? 1 + random.Next(chunk.Length) : chunk.Length;
                bytes.AddRange(chunk.Span[..count]);
                outbox.Advance(count);
            }
        }

        while (outbox.TryPeek(0, out ReadOnlyMemory<byte> chunk))
        {
            bytes.AddRange(chunk.Span);
            outbox.Advance(chunk.Length);
        }

        int[] last = new int[senders.Length];
        int count1 = 0;
        foreach ((int sender, int number, _, _) in Read([.. bytes]))
        {
            Assert.InRange(number, last[sender] + 1, senders[sender].Written);
            last[sender] = number;
            count1++;
        }

        Assert.Equal(senders.Sum(static s => s.Written), count1 + _expired);
        outbox.Release();
    }

    private static bool IsWhole(List<byte> bytes)
    {
        byte[] all = [.. bytes];
        int at = 0;
        while (at < all.Length)
        {
            at += HeadLength + BinaryPrimitives.ReadUInt16BigEndian(all.AsSpan(at));
        }

        return at == all.Length;
    }

    private static IEnumerable<(int Sender, int Number, long WrittenMs, int Length)> Read(byte[] frames)
    {
        for (int at = 0; at < frames.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(frames.AsSpan(at));
            Span<byte> body = frames.AsSpan(at + HeadLength, length);
            Assert.Equal(-1, body[16..].IndexOfAnyExcept((byte)0x5a));
            yield return (BinaryPrimitives.ReadInt32BigEndian(body), BinaryPrimitives.ReadInt32BigEndian(body[4..]), BinaryPrimitives.ReadInt64BigEndian(body[8..]), HeadLength + length);
            at += HeadLength + length;
        }
    }

    private sealed class Sender(int id) : IFrameOutboxWaiter
    {
        /// <summary>Frames that were taken.</summary>
        public int Written { get; private set; }

        public FrameOutboxResult Write(FrameOutbox outbox, int length, long nowMs, bool mayDrop = true)
        {
            byte[] head = new byte[HeadLength];
            BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)length);
            byte[] body = new byte[length];
            Array.Fill(body, (byte)0x5a);
            BinaryPrimitives.WriteInt32BigEndian(body, id);
            BinaryPrimitives.WriteInt32BigEndian(body.AsSpan(4), Written + 1);
            BinaryPrimitives.WriteInt64BigEndian(body.AsSpan(8), nowMs);
            FrameOutboxResult result = outbox.TryWriteDatagrams(head, body, mayDrop, this, nowMs);
            Written += result == FrameOutboxResult.Queued ? 1 : 0;
            return result;
        }

        void IFrameOutboxWaiter.OnOutboxRoom()
        {
        }
    }
}

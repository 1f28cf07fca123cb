using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class ConcurrencyTests : TwoEndedTests
{
    [Fact]
    public async Task Several_threads_seal_and_receive_for_one_peer_while_timers_run()
    {
        const int Threads = 4;
        const int PacketsPerThread = 5000;
        Establish();
        long now = Wire.Now;
        int delivered = 0;
        int running = Threads;
        Task[] workers = [.. Enumerable.Range(0, Threads).Select(_ => Task.Run(Work)), Task.Run(TickBoth)];
        await Task.WhenAll(workers);
        Assert.Equal(Threads * PacketsPerThread, delivered);
        Assert.Equal(0, B.Interface.Drops[DropReason.ReplayedCounter]);

        void Work()
        {
            const int Offset = WireGuardConstants.SealHeadroom;
            byte[] packet = VirtualNode.MakePacket(A.Address, B.Address, 0, 200);
            byte[] buffer = new byte[512];
            for (int i = 0; i < PacketsPerThread; i++)
            {
                packet.CopyTo(buffer, Offset);
                SealResult result = A.Interface.Seal(ToB, buffer, Offset, packet.Length, now, out int start, out int length);
                Assert.Equal(SealStatus.Sealed, result.Status);
                ReceiveResult received = B.Interface.Receive(
                    buffer.AsSpan(start, length), A, A.SourceAddress, now, out _, out int offset, out int inner);
                Assert.Equal(ReceiveStatus.Packet, received.Status);
                Assert.True(buffer.AsSpan(start + offset, inner).SequenceEqual(packet));
                Interlocked.Increment(ref delivered);
            }

            Interlocked.Decrement(ref running);
        }

        void TickBoth()
        {
            while (Volatile.Read(ref running) > 0)
            {
                A.Interface.Tick(now);
                B.Interface.Tick(now);
                Thread.Yield();
            }
        }
    }

    [Fact]
    public async Task A_peer_can_be_removed_while_packets_are_sealed()
    {
        Establish();
        long now = Wire.Now;
        using CancellationTokenSource stop = new();
        Task<int> worker = Task.Run(() =>
        {
            byte[] buffer = new byte[512];
            int afterRemoval = 0;
            while (!stop.IsCancellationRequested)
            {
                bool removed = ToB.IsRemoved;
                SealResult result = A.Interface.Seal(ToB, buffer, 16, 100, now, out _, out _);
                afterRemoval += removed && result.Status != SealStatus.Dropped ? 1 : 0;
            }

            return afterRemoval;
        });
        await Task.Delay(20);
        A.Interface.RemovePeer(ToB);
        await Task.Delay(20);
        await stop.CancelAsync();
        Assert.Equal(0, await worker);
    }
}

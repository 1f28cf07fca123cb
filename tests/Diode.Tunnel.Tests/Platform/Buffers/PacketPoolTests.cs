using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Buffers;

public sealed class PacketPoolTests
{
    [Fact]
    public void A_rented_buffer_is_empty_with_full_headroom()
    {
        PacketPool pool = new();
        PacketBuffer buffer = pool.Rent();
        buffer.Offset = 3;
        buffer.Length = 1000;
        pool.Return(buffer);

        PacketBuffer again = pool.Rent();

        Assert.Same(buffer, again);
        Assert.Equal((PacketBuffer.Headroom, 0), (again.Offset, again.Length));
        Assert.True(again.MaxPacketLength >= 1500);
        Assert.Equal(again.Array.Length - PacketBuffer.Headroom - PacketBuffer.Tailroom, again.Room.Length);
        Assert.True(pool.RentLarge().MaxPacketLength >= 65535);
    }

    [Fact]
    public void A_double_return_is_caught()
    {
        PacketPool pool = new();
        PacketBuffer buffer = pool.Rent();
        pool.Return(buffer);

        Assert.Throws<InvalidOperationException>(() => pool.Return(buffer));
    }

    [Fact]
    public void The_pool_keeps_no_more_than_it_may()
    {
        PacketPool pool = new(maxIdle: 2, maxIdleLarge: 0);
        PacketBuffer[] buffers = [pool.Rent(), pool.Rent(), pool.Rent(), pool.RentLarge()];
        Assert.Equal(4, pool.Rented);
        pool.Return(buffers);

        Assert.Equal(0, pool.Rented);
        _ = (pool.Rent(), pool.Rent(), pool.Rent());
        Assert.Equal(5, pool.Created);
    }

    [Fact]
    public void Renting_and_returning_allocates_nothing()
    {
        PacketPool pool = new();
        PacketBatch batch = new(pool);
        Cycle();
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                Cycle();
            }
        }));

        void Cycle()
        {
            for (int i = 0; i < PacketBatch.MaxPackets; i++)
            {
                batch.Prepare(i).Length = 100;
                batch.Count++;
            }

            pool.Return(batch.Take(5));
            batch.Clear();
            batch.Release();
        }
    }

    [Fact]
    public void A_batch_moves_buffers_and_gives_all_back()
    {
        PacketPool pool = new();
        PacketBatch batch = new(pool, capacity: 2);
        batch.Prepare(0);
        PacketBuffer mine = pool.Rent();
        Assert.False(mine.TryAssign(new byte[5000]));
        Assert.True(mine.TryAssign(new byte[1500]));

        Assert.True(batch.TryAdd(mine));
        Assert.True(batch.TryAdd(pool.Rent()));
        PacketBuffer third = pool.Rent();
        Assert.False(batch.TryAdd(third));
        Assert.Same(mine, batch.Take(0));
        pool.Return(mine);
        pool.Return(third);
        batch.Release();

        Assert.Equal(0, pool.Rented);
        Assert.Equal(0, batch.Count);
    }

    [Fact]
    public void Many_threads_share_a_pool()
    {
        PacketPool pool = new(maxIdle: 8);
        Parallel.For(0, 8, _ =>
        {
            for (int i = 0; i < 5000; i++)
            {
                PacketBuffer buffer = pool.Rent();
                Assert.Equal(0, buffer.Length);
                buffer.Length = 1;
                pool.Return(buffer);
            }
        });
        Assert.Equal(0, pool.Rented);
    }
}

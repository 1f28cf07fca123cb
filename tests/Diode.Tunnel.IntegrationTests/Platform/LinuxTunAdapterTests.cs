using System.Buffers.Binary;
using System.Diagnostics;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

public sealed class LinuxTunAdapterTests : IDisposable
{
    private readonly NetNamespace _namespace = new();
    private readonly PacketPool _pool = new();

    [Fact]
    public void Ping_through_the_kernel_is_answered_by_packets_written_to_the_adapter()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        Assert.Equal(1300, adapter.Mtu);
        _namespace.Exec("ip address add 198.18.5.1/24 dev dtun0 && ip link set dtun0 up");
        Assert.Contains("mtu 1300", _namespace.Exec("ip link show dtun0"), StringComparison.Ordinal);
        Thread reflector = StartReflector(adapter, useBatch: true);

        string output = _namespace.Exec("ping -n -c 5 -i 0.05 -W 2 198.18.5.2");

        Assert.Contains("5 received", output, StringComparison.Ordinal);
        adapter.Stop();
        Assert.True(reflector.Join(TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public void One_read_takes_all_packets_that_wait()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        _namespace.Exec("ip address add 198.18.5.1/24 dev dtun0 && ip link set dtun0 up");
        // Silence everything but our own pings, then queue several before the first read.
        _namespace.TryExec("ping -n -q -c 8 -i 0.01 -W 0.2 198.18.5.2");
        PacketBatch batch = new(_pool);

        int count = adapter.Read(batch);

        Assert.InRange(count, 8, PacketBatch.MaxPackets);
        Assert.Equal(count, batch.Count);
        Assert.Contains(batch.Packets.Take(count), packet => packet.Span[0] >> 4 == 4 && packet.Offset == PacketBuffer.Headroom);
        batch.Release();
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void Stop_ends_a_waiting_read_and_all_later_ones()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        PacketBatch batch = new(_pool);
        int result = -1;
        Thread reader = new(() => result = adapter.Read(batch));
        reader.Start();
        Assert.False(reader.Join(TimeSpan.FromMilliseconds(100)));

        adapter.Stop();

        Assert.True(reader.Join(TimeSpan.FromSeconds(5)));
        Assert.Equal(0, result);
        Assert.Equal(0, adapter.Read(batch));
    }

    [Fact]
    public void Dispose_ends_a_waiting_read_and_removes_the_interface()
    {
        LinuxTunAdapter adapter = Open("dtun0");
        PacketBatch batch = new(_pool);
        int result = -1;
        Thread reader = new(() => result = adapter.Read(batch));
        reader.Start();
        Assert.False(reader.Join(TimeSpan.FromMilliseconds(50)));

        adapter.Dispose();

        Assert.True(reader.Join(TimeSpan.FromSeconds(5)));
        Assert.Equal(0, result);
        Assert.Equal(0, adapter.Read(batch));
        Assert.False(adapter.Write(new byte[20]));
        Assert.NotEqual(0, _namespace.TryExec("ip link show dtun0").ExitCode);
    }

    [Fact]
    public void Reads_and_writes_race_with_dispose_without_harm()
    {
        for (int i = 0; i < 30; i++)
        {
            LinuxTunAdapter adapter = Open("dtun0");
            PacketBatch batch = new(_pool);
            Thread reader = new(() => { while (adapter.Read(batch) > 0) { batch.Clear(); } });
            Thread writer = new(() => { for (int n = 0; n < 2000; n++) { adapter.Write(new byte[40]); } });
            reader.Start();
            writer.Start();
            adapter.Dispose();
            Assert.True(reader.Join(TimeSpan.FromSeconds(5)));
            Assert.True(writer.Join(TimeSpan.FromSeconds(5)));
        }
    }

    [Fact]
    public void Writing_to_an_adapter_that_is_down_counts_drops()
    {
        using LinuxTunAdapter adapter = Open("dtun0");

        Assert.False(adapter.Write(new byte[20]));
        Assert.Equal(1, adapter.WriteDrops);
    }

    [Fact]
    public void Reading_and_writing_packets_allocates_nothing()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        _namespace.Exec("ip address add 198.18.5.1/24 dev dtun0 && ip link set dtun0 up");
        using Process ping = _namespace.Start("ping", "-n", "-q", "-f", "-c", "4000", "198.18.5.2");
        PacketBatch batch = new(_pool);
        int packets = 0;
        Pump(1000); // warm: buffers rented, code compiled
        Assert.Equal(0, AllocationProbe.Fewest(() => Pump(500)));
        Pump(4000 - packets);
        Assert.True(ping.WaitForExit(TimeSpan.FromSeconds(10)));

        void Pump(int count)
        {
            for (int end = packets + count; packets < end;)
            {
                packets += adapter.Read(batch);
                Reflect(batch);
                adapter.Write(batch);
            }
        }
    }

    [Fact]
    public void A_name_in_use_is_explained()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        PlatformException busy = Assert.Throws<PlatformException>(() => Open("dtun0"));
        Assert.Contains("ip link show dtun0", busy.Message, StringComparison.Ordinal);

        _namespace.Exec("ip link add dtveth type veth peer name dtveth2");
        PlatformException other = Assert.Throws<PlatformException>(() => Open("dtveth"));
        Assert.Contains("dtveth", other.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interface_deleted_by_others_fails_the_read_clearly()
    {
        using LinuxTunAdapter adapter = Open("dtun0");
        _namespace.Exec("ip link set dtun0 up && ip link del dtun0");
        PacketBatch batch = new(_pool);

        PlatformException gone = Assert.Throws<PlatformException>(() => { while (adapter.Read(batch) > 0) { } });
        Assert.Contains("dtun0", gone.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _namespace.Dispose();

    private LinuxTunAdapter Open(string name) =>
        _namespace.Run(() => LinuxTunAdapter.Open(new TunOptions { Name = name, Mtu = 1300 }));

    private Thread StartReflector(LinuxTunAdapter adapter, bool useBatch)
    {
        Thread thread = new(() =>
        {
            PacketBatch batch = new(_pool);
            while (adapter.Read(batch) > 0)
            {
                Reflect(batch);
                if (useBatch)
                {
                    Assert.Equal(batch.Count, adapter.Write(batch));
                }
            }
        });
        thread.Start();
        return thread;
    }

    /// <summary>Turns echo requests into replies: addresses swapped, type 8 to 0, checksum corrected by the difference.</summary>
    private static void Reflect(PacketBatch batch)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            Span<byte> packet = batch.Packets[i].Span;
            if (packet[0] >> 4 != 4 || packet[9] != 1 || packet[20] != 8)
            {
                continue;
            }

            uint source = BinaryPrimitives.ReadUInt32BigEndian(packet[12..]);
            packet[16..20].CopyTo(packet[12..]);
            BinaryPrimitives.WriteUInt32BigEndian(packet[16..], source);
            packet[20] = 0;
            int checksum = BinaryPrimitives.ReadUInt16BigEndian(packet[22..]) + 0x0800;
            BinaryPrimitives.WriteUInt16BigEndian(packet[22..], (ushort)((checksum & 0xffff) + (checksum >> 16)));
        }
    }
}

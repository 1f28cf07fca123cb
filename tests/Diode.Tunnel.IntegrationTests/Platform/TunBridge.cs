using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>
/// Two namespaces whose adapters are joined: what one reads is cut into packets and written to the other, as a tunnel without a
/// network between would do.
/// </summary>
internal sealed class TunBridge : IDisposable
{
    public const string AddressA = "198.18.7.1";
    public const string AddressB = "198.18.7.2";
    public const string Address6A = "fd00:7::1";
    public const string Address6B = "fd00:7::2";
    public const int Mtu = 1400;

    private readonly PacketPool _pool = new();
    private readonly List<Thread> _threads = [];
    private long _packets;
    private long _superPackets;

    public TunBridge(TunOffloads offloads, bool pump = true)
    {
        TapA = Open(A, offloads, AddressA, Address6A);
        TapB = Open(B, offloads, AddressB, Address6B);
        if (pump)
        {
            Start(TapA, TapB);
            Start(TapB, TapA);
            // The kernel makes an interface ready for IPv6 some time after it is up.
            foreach (string address in new[] { AddressB, Address6B })
            {
                A.Exec($"for i in 1 2 3 4 5 6 7 8 9 10; do ping -n -q -c 1 -W 1 {address} >/dev/null && exit 0; sleep 0.1; done; exit 1");
            }
        }
    }

    public NetNamespace A { get; } = new();

    public NetNamespace B { get; } = new();

    public LinuxTunAdapter TapA { get; }

    public LinuxTunAdapter TapB { get; }

    /// <summary>Packets of at most the MTU that were carried.</summary>
    public long Packets => Interlocked.Read(ref _packets);

    /// <summary>Super-packets that were read.</summary>
    public long SuperPackets => Interlocked.Read(ref _superPackets);

    /// <summary>Packets the system of a namespace received from its adapter, a merged one counting once.</summary>
    public static long Received(NetNamespace at) => long.Parse(
        at.Exec("cat /proc/net/dev | sed -n 's/ *dtun0: *//p'").Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Carries what one read returns.</summary>
    public int Carry(ITunAdapter from, ITunWriter to, PacketBatch batch, PacketBuffer[] segments)
    {
        int carried = 0;
        int count = from.Read(batch);
        for (int i = 0; i < count; i++)
        {
            PacketBuffer packet = batch.Packets[i];
            if (!packet.Layout.IsSuperPacket)
            {
                to.Add(packet, packet.Offset, packet.Length);
                carried++;
                continue;
            }

            _superPackets++;
            SegmentLayout layout = packet.Layout;
            int segmentCount = layout.SegmentCount(packet.Length);
            for (int n = 0; n < segmentCount; n++)
            {
                PacketBuffer segment = segments[n % segments.Length];
                segment.Reset();
                segment.Length = Segmenter.Write(packet.Span, in layout, n, segment.Room);
                to.Add(segment, segment.Offset, segment.Length);
                if (n % segments.Length == segments.Length - 1)
                {
                    to.Flush();
                }
            }

            carried += segmentCount;
            to.Flush();
        }

        to.Flush();
        Interlocked.Add(ref _packets, carried);
        return carried;
    }

    public PacketBuffer[] RentSegments() => [.. Enumerable.Range(0, 64).Select(_ => _pool.Rent())];

    public PacketBatch CreateBatch() => new(_pool);

    public void Dispose()
    {
        TapA.Stop();
        TapB.Stop();
        _threads.ForEach(thread => thread.Join());
        TapA.Dispose();
        TapB.Dispose();
        A.Dispose();
        B.Dispose();
    }

    private static LinuxTunAdapter Open(NetNamespace at, TunOffloads offloads, string address, string address6)
    {
        LinuxTunAdapter adapter = at.Run(() => LinuxTunAdapter.Open(new TunOptions { Name = "dtun0", Mtu = Mtu, Offloads = offloads }));
        at.Exec($"ip address add {address}/24 dev dtun0 && ip address add {address6}/64 dev dtun0 nodad && ip link set dtun0 up");
        return adapter;
    }

    private void Start(LinuxTunAdapter from, LinuxTunAdapter to)
    {
        Thread thread = new(() =>
        {
            using ITunWriter writer = to.CreateWriter();
            PacketBatch batch = CreateBatch();
            PacketBuffer[] segments = RentSegments();
            while (Carry(from, writer, batch, segments) > 0)
            {
            }
        })
        { IsBackground = true, Name = "bridge" };
        _threads.Add(thread);
        thread.Start();
    }
}

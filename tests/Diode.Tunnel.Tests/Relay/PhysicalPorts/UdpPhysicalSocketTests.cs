using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.PhysicalPorts;
using Diode.Tunnel.Testing.Relay;
using Diode.Tunnel.Tests.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.PhysicalPorts;

/// <summary>Real sockets on loopback. Alone, because allocations of the whole process are counted.</summary>
[SupportedOSPlatform("linux")]
[Collection(nameof(TlsEngineResourceTests.MeasuredAlone))]
public sealed class UdpPhysicalSocketTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly List<IDisposable> _owned = [];
    private readonly List<IPhysicalSocket> _ports = [];
    private readonly RelayWorld _world = new();

    [Fact]
    public void Forwarding_allocates_nothing()
    {
        (Socket near, Socket far) = Open();
        byte[] datagram = new byte[600];
        long fewest = long.MaxValue;
        for (int run = 0; run < 6 && fewest > 0; run++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < 3000; i++)
            {
                // In both directions, and so that each one is waited for.
                near.Send(datagram);
                far.Receive(datagram);
                far.Send(datagram);
                near.Receive(datagram);
            }

            fewest = Math.Min(fewest, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        // Not per datagram: what the runtime itself allocates now and then is allowed.
        Assert.InRange(fewest, 0, 3000);
    }

    [Fact]
    public void A_flooding_pair_does_not_starve_another()
    {
        (Socket noisy, Socket sink) = Open();
        (Socket near, Socket far) = Open();
        bool stop = false;
        byte[] large = new byte[1200];
        Thread[] flood =
        [
            new(() =>
            {
                while (!Volatile.Read(ref stop))
                {
                    noisy.Send(large);
                }
            }),
            new(() =>
            {
                // Nobody reads there: what goes to the sink is lost in its socket.
                while (!Volatile.Read(ref stop))
                {
                    sink.Send(large);
                }
            }),
        ];
        Array.ForEach(flood, thread => thread.Start());
        try
        {
            byte[] datagram = new byte[64];
            List<double> times = [];
            for (int i = 0; i < 300; i++)
            {
                long start = Stopwatch.GetTimestamp();
                near.Send(datagram);
                far.Receive(datagram);
                far.Send(datagram);
                near.Receive(datagram);
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            // None was lost; half of them did not wait long, on a machine that others use as well.
            times.Sort();
            Assert.InRange(times[times.Count / 2], 0, 250);
        }
        finally
        {
            Volatile.Write(ref stop, true);
            Array.ForEach(flood, thread => thread.Join());
        }
    }

    public void Dispose()
    {
        _ports.ForEach(port => port.Close());
        _owned.ForEach(socket => socket.Dispose());
    }

    // A port and its two peers, joined.
    private (Socket Near, Socket Far) Open()
    {
        var port = new PhysicalPort(
            _world.Connect().Session, _world.Connect().Session, isUdp: true, _world.Core.Counters, nowMs: 0);
        IPhysicalSocket bound = new PhysicalSocketFactory(IPAddress.Loopback, new RelayClock(TimeProvider.System)).TryBind(port, static _ => { })!;
        port.Socket = bound;
        _ports.Add(bound);
        bound.Start();
        Socket near = Connect(bound.Number);
        Socket far = Connect(bound.Number);
        near.Send([1]);
        Thread.Sleep(50);
        far.Send([2]);
        near.Receive(new byte[1]);
        far.Receive(new byte[1]);
        return (near, far);
    }

    private Socket Connect(ushort port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)Patience.TotalMilliseconds,
        };
        socket.Connect(IPAddress.Loopback, port);
        _owned.Add(socket);
        return socket;
    }
}

using System.Diagnostics;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// One WireGuard interface over one UDP socket:
/// <code>
/// thread "send"      adapter ─► allowed IPs ─► segments ─► SealTrain ─► socket
/// thread "receive"   socket ─► ReceiveTrain in place ─► adapter
/// calling thread     timers
/// </code>
/// Super-packets and trains at both ends where the system has them. Nothing is allocated per packet.
/// </summary>
internal sealed class WireGuardEndpoint : IWireGuardOutput, IDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    private readonly ITunAdapter _adapter;
    private readonly UdpChannel _socket;
    private readonly PacketPool _pool;
    private readonly WireGuardInterface _wireGuard;
    private readonly ManualResetEvent _stop = new(false);
    private readonly Thread _sending;
    private readonly Thread _receiving;
    private int _handshakes;
    private long _sendFailures;
    private long _unrouted;

    public WireGuardEndpoint(InterfaceConfiguration configuration, ToolOptions options)
    {
        _adapter = TunAdapterFactory.Open(new TunOptions
        {
            Name = options.InterfaceName,
            Mtu = options.Mtu,
            Offloads = TunOffloads.All,
        });
        _socket = UdpChannel.Bind(
            AddressFamily.InterNetworkV6, configuration.ListenPort, new UdpChannelOptions { DualMode = true, Mark = 0 });
        _pool = new PacketPool();
        _wireGuard = new WireGuardInterface(
            configuration.PrivateKey,
            new WireGuardOptions { UtcNow = () => DateTimeOffset.UtcNow, Mtu = options.Mtu, Aead = new PlatformAead() },
            this);
        foreach (PeerConfiguration peer in configuration.Peers)
        {
            _wireGuard.AddPeer(peer.PublicKey, new PeerOptions
            {
                PresharedKey = peer.PresharedKey,
                AllowedIps = peer.AllowedIps,
                PersistentKeepalive = peer.PersistentKeepalive,
                Endpoint = EndpointAddress.TryFrom(peer.Endpoint, out EndpointAddress remote) ? new RemoteEndpoint(remote) : null,
            });
        }

        _sending = new Thread(Send) { Name = "send", IsBackground = true };
        _receiving = new Thread(Receive) { Name = "receive", IsBackground = true };
    }

    /// <summary>Runs until <see cref="Stop"/>.</summary>
    public void Run()
    {
        _sending.Start();
        _receiving.Start();
        TimeSpan wait = TimeSpan.Zero;
        while (!_stop.WaitOne(wait))
        {
            long now = Now();
            _wireGuard.Tick(now);
            long due = Math.Clamp(_wireGuard.NextTimeout - now, TimeSpan.TicksPerMillisecond, LongestWait.Ticks);
            wait = TimeSpan.FromTicks(due);
        }

        _adapter.Stop();
        _socket.Stop();
        _sending.Join();
        _receiving.Join();
    }

    /// <summary>Makes <see cref="Run"/> return; callable from any thread.</summary>
    public void Stop() => _stop.Set();

    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram) => SendTo(endpoint, datagram);

    void IWireGuardOutput.OnSessionEstablished(Peer peer) =>
        Console.WriteLine($"handshake {Interlocked.Increment(ref _handshakes)} {peer}");

    void IWireGuardOutput.OnHandshakeFailed(Peer peer) => Console.WriteLine($"no answer {peer}");

    /// <summary>Counters for people.</summary>
    public override string ToString()
    {
        IEnumerable<string> drops =
            from reason in Enum.GetValues<DropReason>()
            where _wireGuard.Drops[reason] > 0
            select $", {reason} {_wireGuard.Drops[reason]}";
        return $"handshakes {_handshakes}, not routed {_unrouted}, not sent {_sendFailures}, "
            + $"adapter drops {_adapter.ReadDrops} in {_adapter.WriteDrops} out{string.Concat(drops)}";
    }

    public void Dispose()
    {
        _wireGuard.Dispose();
        _adapter.Dispose();
        _socket.Dispose();
        _stop.Dispose();
    }

    private static long Now() => Stopwatch.GetElapsedTime(0).Ticks;

    private void Send()
    {
        PacketBatch batch = new(_pool);
        PacketTrain train = new(_wireGuard);
        try
        {
            while (_adapter.Read(batch) > 0)
            {
                long now = Now();
                for (int i = 0; i < batch.Count; i++)
                {
                    Send(batch.Packets[i], train, now);
                }

                Flush(train, now);
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
    }

    private void Send(PacketBuffer packet, PacketTrain train, long now)
    {
        if (_wireGuard.Route(packet.Span) is not { } peer)
        {
            _unrouted++;
            return;
        }

        SegmentLayout layout = packet.Layout;
        int count = layout.SegmentCount(packet.Length);
        for (int i = 0; i < count; i++)
        {
            int length = layout.SegmentLength(packet.Length, i);
            if (!train.TryReserve(peer, length, out Span<byte> room))
            {
                Flush(train, now);
                train.TryReserve(peer, length, out room);
            }

            if (layout.IsSuperPacket)
            {
                Segmenter.Write(packet.Span, layout, i, room);
            }
            else
            {
                packet.Span.CopyTo(room);
            }
        }
    }

    private void Flush(PacketTrain train, long now)
    {
        if (train.Peer is { } peer)
        {
            if (_wireGuard.SealTrain(peer, train.Bytes, train.Stride, now).Status == SealStatus.Sealed)
            {
                SendTo(peer.Endpoint, train.Bytes, train.Stride);
            }

            train.Clear();
        }
    }

    private void Receive()
    {
        DatagramBatch batch = new(_pool);
        EndpointTable endpoints = new();
        ReceivedPacket[] packets = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
        using ITunWriter writer = _adapter.CreateWriter();
        try
        {
            while (_socket.Receive(batch) > 0)
            {
                long now = Now();
                for (int i = 0; i < batch.Count; i++)
                {
                    PacketBuffer buffer = batch.Buffer(i);
                    int stride = batch.SegmentSize(i) == 0 ? buffer.Length : batch.SegmentSize(i);
                    int most = Math.Max(1, stride) * WireGuardInterface.MaxTrainLength;
                    RemoteEndpoint remote = endpoints.Find(batch.Source(i));
                    for (int at = 0; at < buffer.Length; at += most)
                    {
                        Span<byte> train = buffer.Span.Slice(at, Math.Min(most, buffer.Length - at));
                        int count = _wireGuard.ReceiveTrain(train, stride, remote, remote.Source, now, packets, out _);
                        for (int j = 0; j < count; j++)
                        {
                            writer.Add(buffer, buffer.Offset + at + packets[j].Offset, packets[j].Length);
                        }
                    }
                }

                writer.Flush();
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
    }

    private void SendTo(object? endpoint, ReadOnlySpan<byte> train, int segmentSize = 0)
    {
        if (endpoint is not RemoteEndpoint remote || !_socket.Send(remote.Address, train, segmentSize))
        {
            Interlocked.Increment(ref _sendFailures);
        }
    }

    private void Fail(Exception failure)
    {
        Console.Error.WriteLine(failure.Message);
        Stop();
    }
}

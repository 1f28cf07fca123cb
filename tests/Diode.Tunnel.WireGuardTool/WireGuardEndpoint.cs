using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// One WireGuard interface over one UDP socket:
/// <code>
/// thread "send"      adapter ─► allowed IPs ─► Seal in place ─► socket
/// thread "receive"   socket ─► Receive in place ─► adapter
/// calling thread     timers
/// </code>
/// Nothing is allocated per packet.
/// </summary>
internal sealed class WireGuardEndpoint : IWireGuardOutput, IDisposable
{
    private const int SocketBufferBytes = 4 << 20;
    private const int LongestDatagram = 65535;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    private readonly ITunAdapter _adapter;
    private readonly Socket _socket;
    private readonly WireGuardInterface _wireGuard;
    private readonly ManualResetEvent _stop = new(false);
    private readonly Thread _sending;
    private readonly Thread _receiving;
    private int _handshakes;
    private long _sendFailures;
    private long _unrouted;

    public WireGuardEndpoint(InterfaceConfiguration configuration, ToolOptions options)
    {
        _adapter = TunAdapterFactory.Open(new TunOptions { Name = options.InterfaceName, Mtu = options.Mtu });
        _socket = OpenSocket(configuration.ListenPort);
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
                Endpoint = peer.Endpoint is { } endpoint ? RemoteEndpoint.From(endpoint) : null,
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
        _socket.Dispose();
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

    private static Socket OpenSocket(int port)
    {
        Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp)
        {
            DualMode = true,
            ReceiveBufferSize = SocketBufferBytes,
            SendBufferSize = SocketBufferBytes,
        };
        socket.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
        return socket;
    }

    private void Send()
    {
        PacketBatch batch = new(new PacketPool());
        try
        {
            while (_adapter.Read(batch) > 0)
            {
                long now = Now();
                for (int i = 0; i < batch.Count; i++)
                {
                    Send(batch.Packets[i], now);
                }
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
    }

    private void Send(PacketBuffer packet, long now)
    {
        if (_wireGuard.Route(packet.Span) is not { } peer)
        {
            _unrouted++;
            return;
        }

        SealResult result = _wireGuard.Seal(
            peer, packet.Array, packet.Offset, packet.Length, now, out int offset, out int length);
        if (result.Status == SealStatus.Sealed)
        {
            SendTo(peer.Endpoint, packet.Array.AsSpan(offset, length));
        }
    }

    private void Receive()
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(LongestDatagram, pinned: true);
        SocketAddress source = new(AddressFamily.InterNetworkV6);
        EndpointTable endpoints = new();
        while (!_stop.WaitOne(0))
        {
            int length;
            try
            {
                length = _socket.ReceiveFrom(buffer, SocketFlags.None, source);
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                if (!_stop.WaitOne(0))
                {
                    Fail(closed);
                }

                return;
            }

            RemoteEndpoint remote = endpoints.Find(source);
            ReceiveResult result = _wireGuard.Receive(
                buffer.AsSpan(0, length), remote, remote.Source, Now(), out _, out int offset, out int packetLength);
            if (result.Status == ReceiveStatus.Packet)
            {
                _adapter.Write(buffer.AsSpan(offset, packetLength));
            }
        }
    }

    private void SendTo(object? endpoint, ReadOnlySpan<byte> datagram)
    {
        if (endpoint is not RemoteEndpoint remote)
        {
            Interlocked.Increment(ref _sendFailures);
            return;
        }

        try
        {
            _socket.SendTo(datagram, SocketFlags.None, remote.Address);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
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

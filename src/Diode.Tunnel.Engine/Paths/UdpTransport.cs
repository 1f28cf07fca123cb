using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Service;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>
/// The UDP sockets of a device, one per address family and both on the same port where that is free, and the threads that receive. They
/// carry the underlay's mark, so nothing of them enters the tunnel. Datagrams are never fragmented: their paths are measured.
/// </summary>
internal sealed class UdpTransport : IDisposable
{
    private const int StopSeconds = 5;

    private readonly PacketPool _pool;
    private readonly Action<int, DatagramBatch> _receive;
    private readonly Action<EndpointAddress, SendRefusal, int> _refused;
    private readonly UdpChannel?[] _channels = new UdpChannel?[2];
    private readonly List<Task> _threads = [];

    /// <param name="port">The wished port; another if it is taken, or 0.</param>
    /// <param name="pool">Buffers.</param>
    /// <param name="receive">Takes a batch, on the thread of its socket (0: IPv4, 1: IPv6); the batch stays ours.</param>
    /// <param name="refused">Hears of datagrams that this machine does not take (receiver, why, bytes), on the thread that sends.</param>
    /// <exception cref="PlatformException">No socket can be had.</exception>
    public UdpTransport(int port, PacketPool pool, Action<int, DatagramBatch> receive, Action<EndpointAddress, SendRefusal, int> refused)
    {
        _pool = pool;
        _receive = receive;
        _refused = refused;
        _channels[0] = Bind(AddressFamily.InterNetwork, port);
        Port = _channels[0]!.Port;
        if (Socket.OSSupportsIPv6)
        {
            try
            {
                _channels[1] = Bind(AddressFamily.InterNetworkV6, Port);
                PortIpv6 = _channels[1]!.Port;
            }
            catch (PlatformException)
            {
                // IPv6 is switched off.
            }
        }
    }

    /// <summary>The IPv4 port.</summary>
    public int Port { get; }

    /// <summary>The IPv6 port; 0 without IPv6.</summary>
    public int PortIpv6 { get; }

    /// <summary>Begins to receive.</summary>
    public void Start()
    {
        for (int i = 0; i < _channels.Length; i++)
        {
            if (_channels[i] is { } channel)
            {
                int socket = i;
                _threads.Add(Task.Factory.StartNew(
                    () => Run(socket, channel), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
            }
        }
    }

    /// <summary>Sends a train or a datagram from the socket of the receiver's family.</summary>
    public bool Send(in EndpointAddress to, ReadOnlySpan<byte> train, int segmentSize)
    {
        return _channels[to.IsIpv4 ? 0 : 1] is { } channel && channel.Send(to, train, segmentSize);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (UdpChannel? channel in _channels)
        {
            channel?.Stop();
        }

#pragma warning disable VSTHRD002 // the threads end at once
        Task.WaitAll([.. _threads], TimeSpan.FromSeconds(StopSeconds));
#pragma warning restore VSTHRD002
        foreach (UdpChannel? channel in _channels)
        {
            channel?.Dispose();
        }
    }

    private UdpChannel Bind(AddressFamily family, int port)
    {
        UdpChannel channel = Open(family, port);
        channel.Refused += _refused;
        return channel;
    }

    private static UdpChannel Open(AddressFamily family, int port)
    {
        UdpChannelOptions options = new() { Fragments = FragmentPolicy.Probe };
        try
        {
            return UdpChannel.Bind(family, port, options);
        }
        catch (PlatformException) when (port != 0)
        {
            return UdpChannel.Bind(family, 0, options);
        }
    }

    private void Run(int socket, UdpChannel channel)
    {
        PacketThread.Prefer();
        DatagramBatch batch = new(_pool);
        try
        {
            while (channel.Receive(batch) > 0)
            {
                _receive(socket, batch);
            }
        }
        catch (PlatformException)
        {
            // The socket is gone; paths over it stop answering and others are used.
        }
        finally
        {
            batch.Release();
        }
    }
}

using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>
/// Socket, adapter and threads around <see cref="PerimeterWireGuardCore"/>:
/// <code>
/// thread "perimeter in"    socket: trains ─► WireGuard open ─► own address? ─► adapter: merged ─► kernel
/// thread "perimeter out"   adapter: super-packets ─► own address? ─► WireGuard seal ─► socket: trains
/// engine loop              peers, endpoints, timers
/// </code>
/// The socket is marked as underlay: it passes the kill switch of an exit and never enters the tunnel.
/// </summary>
internal sealed class PerimeterWireGuardHost : IPerimeterWireGuardOutput, IDisposable
{
    private readonly Action<Exception> _failed;
    private readonly PacketPool _pool;
    private readonly UdpChannel _socket;
    private readonly ITunAdapter _adapter;
    private readonly ITunWriter _writer;
    private readonly Thread _in;
    private readonly Thread _out;
    private volatile bool _stopped;

    /// <summary>Opens port and adapter; nothing is carried yet, and the adapter has no address.</summary>
    /// <param name="name">Of the adapter.</param>
    /// <param name="mtu">Of the adapter, in bytes.</param>
    /// <param name="port">UDP port; 0 lets the system choose.</param>
    /// <param name="privateKey">32 bytes; copied.</param>
    /// <param name="pool">Packet buffers.</param>
    /// <param name="time">Wall clock.</param>
    /// <param name="clock">Monotonic clock.</param>
    /// <param name="failed">Adapter or socket are gone for good. Any thread.</param>
    /// <exception cref="PlatformException">The port or the name is taken, or the system refuses.</exception>
    public PerimeterWireGuardHost(
        string name, int mtu, int port, ReadOnlySpan<byte> privateKey, PacketPool pool, TimeProvider time, EngineClock clock, Action<Exception> failed)
    {
        _failed = failed;
        _pool = pool;
        _socket = Bind(port);
        try
        {
            _adapter = TunAdapterFactory.Open(new TunOptions { Name = name, Mtu = mtu, Offloads = TunOffloads.All });
            _writer = _adapter.CreateWriter();
            Core = new PerimeterWireGuardCore(privateKey, mtu, time, clock, this);
        }
        catch
        {
            _writer?.Dispose();
            _adapter?.Dispose();
            _socket.Dispose();
            throw;
        }

        _in = new Thread(ReceiveLoop) { Name = "perimeter in", IsBackground = true };
        _out = new Thread(SendLoop) { Name = "perimeter out", IsBackground = true };
    }

    public PerimeterWireGuardCore Core { get; }

    /// <summary>Name of the adapter.</summary>
    public string Name => _adapter.Name;

    /// <summary>Its number.</summary>
    public int InterfaceIndex => _adapter.InterfaceIndex;

    /// <summary>Longest packet in bytes.</summary>
    public int Mtu => _adapter.Mtu;

    /// <summary>The UDP port.</summary>
    public int Port => _socket.Port;

    /// <summary>Packets and datagrams lost on this machine.</summary>
    public long Dropped => Core.Dropped + _socket.SendDrops + _socket.ReceiveDrops + _adapter.ReadDrops + _adapter.WriteDrops;

    /// <summary>Begins to carry packets.</summary>
    public void Start()
    {
        _in.Start();
        _out.Start();
    }

    /// <inheritdoc/>
    public void SendDatagrams(in EndpointAddress to, ReadOnlySpan<byte> train, int stride)
    {
        // No route, or a queue that stays full: lost, as datagrams may be, and counted there.
        _socket.Send(to, train, stride);
    }

    /// <inheritdoc/>
    public void WritePacket(PacketBuffer buffer, int offset, int length) => _writer.Add(buffer, offset, length);

    /// <summary>Stops carrying; the adapter goes, and with it its addresses and routes.</summary>
    public void Dispose()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        _adapter.Stop();
        _socket.Stop();
        Join(_in);
        Join(_out);
        _socket.Dispose();
        _writer.Dispose();
        Core.Dispose();
        _adapter.Dispose();
    }

    private static void Join(Thread thread)
    {
        if (thread.IsAlive)
        {
            thread.Join();
        }
    }

    private static UdpChannel Bind(int port)
    {
        if (Socket.OSSupportsIPv6)
        {
            try
            {
                return UdpChannel.Bind(AddressFamily.InterNetworkV6, port, new UdpChannelOptions { DualMode = true });
            }
            catch (PlatformException)
            {
                // IPv4 alone tells what is wrong.
            }
        }

        return UdpChannel.Bind(AddressFamily.InterNetwork, port);
    }

    private void ReceiveLoop()
    {
        DatagramBatch batch = new(_pool);
        try
        {
            while (_socket.Receive(batch) > 0)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    Core.Receive(batch.Buffer(i), batch.SegmentSize(i), batch.Source(i));
                }

                _writer.Flush();
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
        finally
        {
            batch.Release();
        }
    }

    private void SendLoop()
    {
        PacketBatch batch = new(_pool);
        try
        {
            while (_adapter.Read(batch) > 0)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    Core.Send(batch.Packets[i]);
                }

                Core.Flush();
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
    }

    private void Fail(PlatformException failure)
    {
        if (!_stopped)
        {
            _failed(failure);
        }
    }
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>
/// Swaps datagrams between the first two senders. What the first sends before there is a second is kept, within bounds, and
/// delivered to the second (real relays send it back to the first). Waiting for a datagram allocates a little,
/// forwarding one does not.
/// </summary>
internal sealed class UdpPhysicalSocket : IPhysicalSocket
{
    private const int MaxDatagram = 65_536;
    private const int MaxHeld = 16;
    private const int MaxHeldBytes = 64 * 1024;

    // The system allows less unless it is configured; a burst of a few milliseconds must fit.
    private const int SocketBuffer = 1024 * 1024;

    // A send waits on this thread while the queue of the system is full.
    private const int SendTimeoutMs = 20;

    // Datagrams in a row before others get a turn on this thread.
    private const int MaxInRow = 256;

    private readonly Socket _socket;
    private readonly PhysicalPort _port;
    private readonly RelayClock _clock;
    private readonly Action<PhysicalPort> _onEnd;
    private readonly SocketAddress _from = new(AddressFamily.InterNetwork);
    private readonly SocketAddress _first = new(AddressFamily.InterNetwork);
    private readonly SocketAddress _second = new(AddressFamily.InterNetwork);
    private readonly List<byte[]> _held = [];
    private int _heldBytes;
    private UdpPair _pair;

    /// <summary>Takes over a bound IPv4 socket.</summary>
    public UdpPhysicalSocket(Socket socket, PhysicalPort port, RelayClock clock, Action<PhysicalPort> onEnd)
    {
        _socket = socket;
        _port = port;
        _clock = clock;
        _onEnd = onEnd;
        Number = (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <inheritdoc/>
    public ushort Number { get; }

    /// <inheritdoc/>
    public void Start()
    {
        _ = RunAsync();
    }

    /// <inheritdoc/>
    public void Close()
    {
        _socket.Dispose();
    }

    private async Task RunAsync()
    {
        // Not under the lock of the caller.
        await Task.Yield();
        try
        {
            _socket.ReceiveBufferSize = SocketBuffer;
            _socket.SendBufferSize = SocketBuffer;
            _socket.SendTimeout = SendTimeoutMs;
            await SwapAsync();
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Closed.
        }
        finally
        {
            Close();
            _onEnd(_port);
        }
    }

    private async Task SwapAsync()
    {
        // Pages that no datagram reaches cost no memory.
        byte[] buffer = GC.AllocateUninitializedArray<byte>(MaxDatagram, pinned: true);
        while (true)
        {
            // The asynchronous call allocates also when it completes at once, so it is only used to wait.
            int count = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, _from);
            Forward(buffer.AsSpan(0, count));
            if (!Drain(buffer))
            {
                await Task.Yield();
            }
        }
    }

    // Takes what is there; false when others should get a turn first.
    private bool Drain(byte[] buffer)
    {
        for (int row = 0; row < MaxInRow; row++)
        {
            // An empty datagram looks like none: the waiting call gets it.
            if (_socket.Available == 0)
            {
                return true;
            }

            int count = _socket.ReceiveFrom(buffer, SocketFlags.None, _from);
            Forward(buffer.AsSpan(0, count));
        }

        return false;
    }

    private void Forward(ReadOnlySpan<byte> datagram)
    {
        switch (_pair.Route(ToNumber(_from)))
        {
            case UdpRoute.Hold:
                Copy(_from, _first);
                _port.OnFirstPeer(_clock.NowMs);
                Hold(datagram);
                break;
            case UdpRoute.Join:
                Copy(_from, _second);
                _port.OnJoined(_clock.NowMs);
                Send(datagram, _first);
                DeliverHeld(_second);
                break;
            case UdpRoute.ToFirst:
                Send(datagram, _first);
                break;
            case UdpRoute.ToSecond:
                Send(datagram, _second);
                break;
            default:
                _port.OnDropped();
                break;
        }
    }

    private void Send(ReadOnlySpan<byte> datagram, SocketAddress to)
    {
        try
        {
            _socket.SendTo(datagram, SocketFlags.None, to);
            _port.OnCarried(datagram.Length, _clock.NowMs);
        }
        catch (SocketException)
        {
            // Too big for the path, no route, or a full queue: lost, as datagrams may be.
            _port.OnDropped();
        }
    }

    private void Hold(ReadOnlySpan<byte> datagram)
    {
        if (_held.Count == MaxHeld || _heldBytes + datagram.Length > MaxHeldBytes)
        {
            _port.OnDropped();
            return;
        }

        _held.Add(datagram.ToArray());
        _heldBytes += datagram.Length;
    }

    private void DeliverHeld(SocketAddress to)
    {
        foreach (byte[] datagram in _held)
        {
            Send(datagram, to);
        }

        _held.Clear();
        _held.TrimExcess();
    }

    // Family, port and IPv4 address are the first eight bytes of the structure.
    private static ulong ToNumber(SocketAddress address)
    {
        return BinaryPrimitives.ReadUInt64BigEndian(address.Buffer.Span);
    }

    private static void Copy(SocketAddress from, SocketAddress to)
    {
        from.Buffer.Span[..from.Size].CopyTo(to.Buffer.Span);
        to.Size = from.Size;
    }
}

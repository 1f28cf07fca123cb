using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>
/// Swaps datagrams between the first two senders. What the first sends before there is a second is kept, within bounds, and
/// delivered to the second (real relays send it back to the first). Datagrams are moved in batches; waiting for them allocates a
/// little, forwarding does not.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class UdpPhysicalSocket : IPhysicalSocket
{
    private const int MaxHeld = 16;
    private const int MaxHeldBytes = 64 * 1024;

    // The system allows less unless it is configured; a burst of a few milliseconds must fit.
    private const int SocketBuffer = 1024 * 1024;

    // A send waits on this thread while the queue of the system is full.
    private const int SendTimeoutMs = 20;

    // Before others get a turn on this thread.
    private const int MaxBatchesInRow = 8;

    [ThreadStatic]
    private static UdpBatch? _batch;

    private readonly Socket _socket;
    private readonly PhysicalPort _port;
    private readonly RelayClock _clock;
    private readonly Action<PhysicalPort> _onEnd;
    private readonly SocketAddress _from = new(AddressFamily.InterNetwork);
    private readonly byte[] _peeked = new byte[1];
    private readonly List<byte[]> _held = [];
    private int _heldBytes;
    private ulong _first;
    private ulong _second;
    private bool _segments = true;
    private UdpPair _pair;

    private enum DrainResult
    {
        Empty,
        Busy,
        Broken,
    }

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
        while (true)
        {
            // Waits until something is there and leaves it where it is.
            await _socket.ReceiveFromAsync(_peeked, SocketFlags.Peek, _from);
            switch (Drain())
            {
                case DrainResult.Broken:
                    return;
                case DrainResult.Busy:
                    await Task.Yield();
                    break;
                default:
                    break;
            }
        }
    }

    // The memory belongs to the thread: datagrams stay in it only within this call.
    private DrainResult Drain()
    {
        UdpBatch batch = _batch ??= new UdpBatch();
        for (int row = 0; row < MaxBatchesInRow; row++)
        {
            int count = batch.Receive(_socket.SafeHandle);
            if (count <= 0)
            {
                return count == 0 ? DrainResult.Empty : DrainResult.Broken;
            }

            for (int first = 0; first < count;)
            {
                // Datagrams of one sender in a row go the same way.
                ulong sender = batch.GetSender(first);
                int run = 1;
                while (first + run < count && batch.GetSender(first + run) == sender)
                {
                    run++;
                }

                Route(batch, first, run, sender);
                first += run;
            }
        }

        return DrainResult.Busy;
    }

    private void Route(UdpBatch batch, int first, int count, ulong sender)
    {
        switch (_pair.Route(sender))
        {
            case UdpRoute.Hold:
                _first = sender;
                _port.OnFirstPeer(_clock.NowMs);
                for (int index = first; index < first + count; index++)
                {
                    Hold(batch.GetDatagram(index));
                }

                break;
            case UdpRoute.Join:
                _second = sender;
                _port.OnJoined(_clock.NowMs);
                Send(batch, first, count, _first);
                DeliverHeld();
                break;
            case UdpRoute.ToFirst:
                Send(batch, first, count, _first);
                break;
            case UdpRoute.ToSecond:
                Send(batch, first, count, _second);
                break;
            default:
                Drop(count);
                break;
        }
    }

    private void Send(UdpBatch batch, int first, int count, ulong receiver)
    {
        int bytes = 0;
        for (int index = first; index < first + count; index++)
        {
            bytes += batch.GetDatagram(index).Length;
        }

        int lost = batch.Forward(_socket.SafeHandle, first, count, receiver, SendTimeoutMs, ref _segments);
        if (lost > 0)
        {
            // Which ones is not known; they are of one kind nearly always.
            bytes -= (int)((long)bytes * lost / count);
            Drop(lost);
        }

        if (lost < count)
        {
            _port.OnCarried(bytes, _clock.NowMs);
        }
    }

    private void Drop(int count)
    {
        for (; count > 0; count--)
        {
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

    private void DeliverHeld()
    {
        Span<byte> address = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(address, _second);
        _from.Buffer.Span.Clear();
        address.CopyTo(_from.Buffer.Span);
        foreach (byte[] datagram in _held)
        {
            try
            {
                _socket.SendTo(datagram, SocketFlags.None, _from);
                _port.OnCarried(datagram.Length, _clock.NowMs);
            }
            catch (SocketException)
            {
                // Too big for the path, no route, or a full queue: lost, as datagrams may be.
                _port.OnDropped();
            }
        }

        _held.Clear();
        _held.TrimExcess();
    }
}

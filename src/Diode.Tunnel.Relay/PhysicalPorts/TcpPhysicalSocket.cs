using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>
/// Accepts two connections and copies bytes between them until one closes. Whoever reads slowly stops the other: nothing
/// is queued beyond one piece per direction and the buffers of the system.
/// </summary>
internal sealed class TcpPhysicalSocket : IPhysicalSocket
{
    private const int PieceSize = 64 * 1024;

    // Pieces in a row before others get a turn on this thread.
    private const int MaxPiecesInRow = 32;

    // How long the other direction may go on after one side closed.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);

    private readonly Socket _listener;
    private readonly PhysicalPort _port;
    private readonly RelayClock _clock;
    private readonly Action<PhysicalPort> _onEnd;
    private readonly Lock _gate = new();
    private Socket? _first;
    private Socket? _second;
    private bool _closed;

    /// <summary>Takes over a bound socket.</summary>
    public TcpPhysicalSocket(Socket listener, PhysicalPort port, RelayClock clock, Action<PhysicalPort> onEnd)
    {
        _listener = listener;
        _port = port;
        _clock = clock;
        _onEnd = onEnd;
        Number = (ushort)((IPEndPoint)listener.LocalEndPoint!).Port;
        listener.Listen(2);
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
        lock (_gate)
        {
            _closed = true;
            _listener.Dispose();
            _first?.Dispose();
            _second?.Dispose();
        }
    }

    private async Task RunAsync()
    {
        // Not under the lock of the caller.
        await Task.Yield();
        try
        {
            Socket first = Keep(await _listener.AcceptAsync(), ref _first);
            _port.OnFirstPeer(_clock.NowMs);
            Socket second = Keep(await _listener.AcceptAsync(), ref _second);
            _port.OnJoined(_clock.NowMs);

            // A third connection is refused.
            _listener.Dispose();
            Task there = CopyAsync(first, second);
            Task back = CopyAsync(second, first);
            await await Task.WhenAny(there, back);
            await Task.WhenAll(there, back).WaitAsync(Linger);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or TimeoutException)
        {
            // A peer reset its connection, Close was called, or the second half took too long.
        }
        finally
        {
            Close();
            _onEnd(_port);
        }
    }

    private Socket Keep(Socket socket, ref Socket? place)
    {
        lock (_gate)
        {
            place = socket;
            if (_closed)
            {
                socket.Dispose();
            }
        }

        socket.NoDelay = true;
        socket.Blocking = false;
        UnderlaySocket.SetKeepAlive(socket);
        return socket;
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        bool open = true;
        for (int pieces = 0; open;)
        {
            // Waits without a buffer.
            await from.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
            byte[] piece = ArrayPool<byte>.Shared.Rent(PieceSize);
            try
            {
                while (open)
                {
                    int count = from.Receive(piece, SocketFlags.None, out SocketError error);
                    if (error == SocketError.WouldBlock)
                    {
                        break;
                    }

                    open = count > 0 && error == SocketError.Success;
                    if (open)
                    {
                        await SendAsync(to, piece.AsMemory(0, count));
                        _port.OnCarried(count, _clock.NowMs);
                    }

                    if (++pieces % MaxPiecesInRow == 0)
                    {
                        await Task.Yield();
                    }
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(piece);
            }
        }

        to.Shutdown(SocketShutdown.Send);
    }

    private static async ValueTask SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await to.SendAsync(bytes)..];
        }
    }
}

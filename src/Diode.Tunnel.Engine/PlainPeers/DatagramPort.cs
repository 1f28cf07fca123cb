using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Engine.Relays;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Datagrams inside one relay port (diode-edge §3.8), coupled to a connected UDP socket. Datagrams that the session cannot take in time
/// are dropped, as on any network. Ends with the port, or after a silence.
/// </summary>
internal sealed class DatagramPort(RelayPort port, TimeProvider time) : IDisposable
{
    /// <summary>A port without datagrams for so long is closed (RFC 4787: at least two minutes).</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(3);

    private readonly PortInbox _inbox = port.Inbox ?? throw new ArgumentException("not a stream port", nameof(port));
    private readonly CancellationTokenSource _stop = new();
    private long _moved;

    /// <summary>Carries datagrams until the port ends. The socket is closed at the end.</summary>
    public async Task RunAsync(Socket socket)
    {
        _inbox.OnFailed = Abort;
        Task inward = ReceiveAsync(socket);
        Task outward = SendAsync(socket);
        try
        {
            long before;
            do
            {
                before = Interlocked.Read(ref _moved);
                await Task.WhenAny(inward, outward, Task.Delay(IdleTimeout, time, _stop.Token)).ConfigureAwait(false);
            }
            while (!inward.IsCompleted && !outward.IsCompleted && !_stop.IsCancellationRequested
                && Interlocked.Read(ref _moved) != before);
        }
        finally
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            socket.Dispose();
            await Task.WhenAll(inward, outward).ConfigureAwait(false);
        }
    }

    /// <summary>Ends it at once, as seen from any thread.</summary>
    public void Abort()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Over already.
        }
    }

    /// <summary>Closes the port. Not before <see cref="RunAsync"/> has ended.</summary>
    public void Dispose()
    {
        port.Close();
        _inbox.Dispose();
        _stop.Dispose();
    }

    private async Task ReceiveAsync(Socket socket)
    {
        using DatagramStreamReader reader = new();
        byte[] datagram = ArrayPool<byte>.Shared.Rent(Edge.EdgeLimits.MaxDatagram);
        try
        {
            while (true)
            {
                ReadResult read = await _inbox.ReadAsync(_stop.Token).ConfigureAwait(false);
                foreach (ReadOnlyMemory<byte> piece in read.Buffer)
                {
                    int used = 0;
                    while (TryTake(reader, piece, ref used, datagram, out int length))
                    {
                        await SendOneAsync(socket, datagram.AsMemory(0, length)).ConfigureAwait(false);
                    }
                }

                bool over = read.IsCompleted || reader.IsBroken;
                _inbox.Advance(read);
                if (over)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (IsExpected(e))
        {
            // Over.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(datagram);
        }
    }

    private static bool TryTake(DatagramStreamReader reader, ReadOnlyMemory<byte> piece, ref int used, byte[] datagram, out int length)
    {
        ReadOnlySpan<byte> rest = piece.Span[used..];
        int before = rest.Length;
        bool found = reader.TryRead(ref rest, out ReadOnlySpan<byte> bytes);
        used += before - rest.Length;
        bytes.CopyTo(datagram);
        length = bytes.Length;
        return found;
    }

    private async ValueTask SendOneAsync(Socket socket, ReadOnlyMemory<byte> datagram)
    {
        Interlocked.Increment(ref _moved);
        try
        {
            await socket.SendAsync(datagram, _stop.Token).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // Nobody listens now, or too long for UDP: lost, like any datagram.
        }
    }

    private async Task SendAsync(Socket socket)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(DatagramStreamWriter.HeaderLength + Edge.EdgeLimits.MaxDatagram);
        try
        {
            while (true)
            {
                int length;
                try
                {
                    length = await socket.ReceiveAsync(buffer.AsMemory(DatagramStreamWriter.HeaderLength), _stop.Token).ConfigureAwait(false);
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
                {
                    continue;
                }

                Interlocked.Increment(ref _moved);
                length = Math.Min(length, Edge.EdgeLimits.MaxDatagram);
                DatagramStreamWriter.WriteHeader(buffer, length);
                port.Relay.TrySendData(port.Reference, buffer.AsSpan(0, DatagramStreamWriter.HeaderLength + length));
            }
        }
        catch (Exception e) when (IsExpected(e))
        {
            // Over.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static bool IsExpected(Exception e)
    {
        return e is SocketException or ObjectDisposedException or OperationCanceledException;
    }
}

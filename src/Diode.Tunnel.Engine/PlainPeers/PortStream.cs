using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// A byte stream inside one relay port, with E2E TLS (diode-protocol §1.7) or in clear text, coupled to a local TCP connection. Both
/// directions are bounded: towards the relay the local connection is not read while the session is full, from the relay see
/// <see cref="PortInbox"/>.
/// </summary>
/// <remarks>
/// Ports have no half-close. With TLS, <c>close_notify</c> ends one direction and the other goes on; an end without it was made by a
/// relay or a crash, and the local program sees a reset instead of a clean end. In clear text the end of the acceptor's service closes
/// the port; the opener's end leaves time for the answer.
/// </remarks>
internal sealed class PortStream : IDisposable
{
    /// <summary>Longest TLS handshake (Go: <c>-e2etimeout</c>).</summary>
    public static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(15);

    /// <summary>How long one direction may be silent after the other has ended.</summary>
    private static readonly TimeSpan LingerTls = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LingerClear = TimeSpan.FromSeconds(5);

    private const int ReadBytes = 32 * 1024;
    private const int CipherBytes = ReadBytes + 2048;

    private readonly RelayPort _port;
    private readonly PortInbox _inbox;
    private readonly TlsEngine? _tls;
    private readonly TimeProvider _time;
    private readonly Lock _tlsGate = new();
    private readonly ArrayBufferWriter<byte> _plain = new();
    private readonly CancellationTokenSource _stop = new();
    private long _received;
    private long _sent;

    /// <summary>Takes over an open stream port.</summary>
    /// <param name="port">The port; closed by <see cref="Dispose"/>.</param>
    /// <param name="identity">This device for TLS; null for clear text.</param>
    /// <param name="sessions">TLS sessions to resume.</param>
    /// <param name="time">Clock.</param>
    public PortStream(RelayPort port, TlsIdentity? identity, TlsSessionCache? sessions, TimeProvider time)
    {
        _port = port;
        _inbox = port.Inbox ?? throw new ArgumentException("not a stream port", nameof(port));
        _time = time;
        _inbox.OnFailed = Abort;
        if (identity is not null)
        {
            Address expected = port.Device;
            _tls = TlsEngineFactory.Create(
                port.Opener ? TlsRole.Client : TlsRole.Server,
                identity,
                der => DeviceCertificate.TryParse(der, out PublicKey? key) && key.Address == expected,
                sessions,
                expected.ToString());
        }
    }

    /// <summary>Bytes given to the local connection.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Bytes taken from the local connection.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Proves both keys; does nothing in clear text.</summary>
    /// <returns>Null, or why it failed.</returns>
    public async Task<string?> HandshakeAsync()
    {
        if (_tls is null)
        {
            return null;
        }

        using CancellationTokenSource late = new(HandshakeTimeout, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, _stop.Token);
        try
        {
            await FlushTlsAsync(either.Token).ConfigureAwait(false);
            while (!_tls.IsHandshakeComplete)
            {
                ReadResult read = await _inbox.ReadAsync(either.Token).ConfigureAwait(false);
                TlsResult result = Decrypt(read.Buffer);
                bool over = read.IsCompleted;
                _inbox.Advance(read);
                await FlushTlsAsync(either.Token).ConfigureAwait(false);
                if (result == TlsResult.Failed)
                {
                    return $"the device did not prove to be {_port.Device}: {_tls.Error}";
                }

                if ((over || result == TlsResult.Closed) && !_tls.IsHandshakeComplete)
                {
                    return "the port was closed during the TLS handshake";
                }
            }

            return null;
        }
        catch (OperationCanceledException)
        {
            return late.IsCancellationRequested
                ? $"no TLS handshake within {HandshakeTimeout.TotalSeconds:0} s"
                : "stopped";
        }
    }

    /// <summary>Carries bytes until both directions have ended. The socket is closed at the end.</summary>
    public async Task RunAsync(Socket socket)
    {
        Task<StreamEnd> inward = ReceiveAsync(socket);
        Task<StreamEnd> outward = SendAsync(socket);
        bool isReset = true;
        try
        {
            await Task.WhenAny(inward, outward).ConfigureAwait(false);
            isReset = await FinishAsync(inward, outward).ConfigureAwait(false);
        }
        finally
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            if (isReset)
            {
                // A reset instead of an end that looks complete.
                socket.LingerState = new LingerOption(true, 0);
            }

            socket.Dispose();
            await Task.WhenAll(inward, outward).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the stream at once, as seen from any thread.</summary>
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

    /// <summary>Closes the port and frees everything. Not before <see cref="RunAsync"/> and <see cref="HandshakeAsync"/> have ended.</summary>
    public void Dispose()
    {
        _port.Close();
        _inbox.Dispose();
        _tls?.Dispose();
        _stop.Dispose();
    }

    /// <summary>One direction has ended; the other gets its time.</summary>
    /// <returns>Whether the local connection is to be reset.</returns>
    private async Task<bool> FinishAsync(Task<StreamEnd> inward, Task<StreamEnd> outward)
    {
        if (inward.IsCompleted)
        {
            StreamEnd end = await inward.ConfigureAwait(false);
            if (end == StreamEnd.Clean && _tls is not null && !_inbox.IsClosed)
            {
                // close_notify: the far end may still listen.
                await WaitWhileMovingAsync(outward, LingerTls, () => Sent).ConfigureAwait(false);
            }

            return end == StreamEnd.Broken;
        }

        StreamEnd local = await outward.ConfigureAwait(false);
        if (local == StreamEnd.Broken)
        {
            return true;
        }

        if (_tls is not null || _port.Opener)
        {
            await WaitWhileMovingAsync(inward, _tls is not null ? LingerTls : LingerClear, () => Received).ConfigureAwait(false);
            return inward.IsCompletedSuccessfully && await inward.ConfigureAwait(false) == StreamEnd.Broken;
        }

        return false;
    }

    private async Task WaitWhileMovingAsync(Task direction, TimeSpan silence, Func<long> moved)
    {
        long before;
        do
        {
            before = moved();
            await Task.WhenAny(direction, Task.Delay(silence, _time, _stop.Token)).ConfigureAwait(false);
        }
        while (!direction.IsCompleted && moved() != before && !_stop.IsCancellationRequested);
    }

    /// <summary>Far end → local connection.</summary>
    private async Task<StreamEnd> ReceiveAsync(Socket socket)
    {
        try
        {
            // Application data may have come with the last flight of the handshake.
            await DeliverAsync(socket).ConfigureAwait(false);
            while (true)
            {
                ReadResult read = await _inbox.ReadAsync(_stop.Token).ConfigureAwait(false);
                TlsResult result = TlsResult.Ok;
                foreach (ReadOnlyMemory<byte> piece in read.Buffer)
                {
                    result = await TakeAsync(socket, piece).ConfigureAwait(false);
                    if (result != TlsResult.Ok)
                    {
                        break;
                    }
                }

                bool over = read.IsCompleted;
                _inbox.Advance(read);
                if (result == TlsResult.Failed)
                {
                    return StreamEnd.Broken;
                }

                if (over || result == TlsResult.Closed)
                {
                    bool clean = !_inbox.IsFailed && (_tls is null || result == TlsResult.Closed);
                    if (clean)
                    {
                        socket.Shutdown(SocketShutdown.Send);
                    }

                    return clean ? StreamEnd.Clean : StreamEnd.Broken;
                }
            }
        }
        catch (Exception e) when (IsExpected(e))
        {
            return StreamEnd.Broken;
        }
    }

    private async ValueTask<TlsResult> TakeAsync(Socket socket, ReadOnlyMemory<byte> piece)
    {
        if (_tls is null)
        {
            await SendAllAsync(socket, piece).ConfigureAwait(false);
            return TlsResult.Ok;
        }

        TlsResult result;
        lock (_tlsGate)
        {
            result = _tls.Receive(piece.Span, _plain);
        }

        await DeliverAsync(socket).ConfigureAwait(false);
        return result;
    }

    private async ValueTask DeliverAsync(Socket socket)
    {
        if (_plain.WrittenCount > 0)
        {
            await SendAllAsync(socket, _plain.WrittenMemory).ConfigureAwait(false);
            _plain.ResetWrittenCount();
        }
    }

    private async ValueTask SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            int sent = await socket.SendAsync(data, _stop.Token).ConfigureAwait(false);
            Interlocked.Add(ref _received, sent);
            data = data[sent..];
        }
    }

    /// <summary>Local connection → far end.</summary>
    private async Task<StreamEnd> SendAsync(Socket socket)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        byte[] cipher = ArrayPool<byte>.Shared.Rent(_tls is null ? 1 : CipherBytes);
        try
        {
            while (true)
            {
                int length = await socket.ReceiveAsync(buffer.AsMemory(0, ReadBytes), _stop.Token).ConfigureAwait(false);
                if (length == 0)
                {
                    await EndOutwardAsync(cipher).ConfigureAwait(false);
                    return StreamEnd.Clean;
                }

                Interlocked.Add(ref _sent, length);
                if (!await ForwardAsync(buffer.AsMemory(0, length), cipher).ConfigureAwait(false))
                {
                    return StreamEnd.Broken;
                }
            }
        }
        catch (Exception e) when (IsExpected(e))
        {
            return StreamEnd.Broken;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(cipher);
        }
    }

    private async ValueTask<bool> ForwardAsync(ReadOnlyMemory<byte> data, byte[] cipher)
    {
        if (_tls is null)
        {
            return await _port.Relay.SendStreamAsync(_port, data, _stop.Token).ConfigureAwait(false);
        }

        lock (_tlsGate)
        {
            if (_tls.Send(data.Span) != TlsResult.Ok)
            {
                return false;
            }
        }

        return await FlushTlsAsync(cipher, _stop.Token).ConfigureAwait(false);
    }

    private async ValueTask EndOutwardAsync(byte[] cipher)
    {
        if (_tls is not null)
        {
            lock (_tlsGate)
            {
                _tls.Shutdown();
            }

            await FlushTlsAsync(cipher, _stop.Token).ConfigureAwait(false);
        }
    }

    private async ValueTask FlushTlsAsync(CancellationToken cancellation)
    {
        byte[] cipher = ArrayPool<byte>.Shared.Rent(CipherBytes);
        try
        {
            await FlushTlsAsync(cipher, cancellation).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(cipher);
        }
    }

    private async ValueTask<bool> FlushTlsAsync(byte[] cipher, CancellationToken cancellation)
    {
        while (true)
        {
            int length;
            lock (_tlsGate)
            {
                length = _tls!.ReadOutput(cipher);
            }

            if (length == 0)
            {
                return true;
            }

            if (!await _port.Relay.SendStreamAsync(_port, cipher.AsMemory(0, length), cancellation).ConfigureAwait(false))
            {
                return false;
            }
        }
    }

    private TlsResult Decrypt(in ReadOnlySequence<byte> input)
    {
        TlsResult result = TlsResult.Ok;
        foreach (ReadOnlyMemory<byte> piece in input)
        {
            lock (_tlsGate)
            {
                result = _tls!.Receive(piece.Span, _plain);
            }

            if (result != TlsResult.Ok)
            {
                break;
            }
        }

        return result;
    }

    private static bool IsExpected(Exception e)
    {
        return e is SocketException or ObjectDisposedException or OperationCanceledException or InvalidOperationException;
    }

    private enum StreamEnd
    {
        /// <summary>The sender has said all it wanted.</summary>
        Clean,

        /// <summary>Cut off.</summary>
        Broken,
    }
}

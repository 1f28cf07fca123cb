using System.Buffers;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Listening;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// One TCP connection to another relay: socket ↔ TLS ↔ <see cref="PeerSession"/>. One task reads, one writes; there are few
/// links, so each keeps its buffers.
/// </summary>
/// <remarks>The TLS engine is used by both under <c>_tlsGate</c>, never across I/O.</remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "RunAsync frees everything when it ends")]
internal sealed class PeerConnection : IFrameOutboxOwner, IFrameOutboxWaiter
{
    private const int BufferSize = 32 * 1024;
    private const int MaxWaitingOutput = 16 * 1024;
    private static readonly TimeSpan LastFlush = TimeSpan.FromSeconds(1);

    private readonly Socket _socket;
    private readonly TlsEngine _tls;
    private readonly PeerNetwork _network;
    private readonly RelayClock _clock;
    private readonly ILogger _logger;
    private readonly bool _isOutbound;
    private readonly Lock _tlsGate = new();
    private readonly RoomSignal _output = new();
    private readonly RoomSignal _room = new();
    private readonly ArrayBufferWriter<byte> _plaintext = new();
    private readonly byte[] _sendBuffer = new byte[BufferSize];
    private Action? _onHandshakeEnd;
    private volatile PeerSession? _session;
    private volatile bool _finishing;
    private long _sendingSinceMs;
    private int _reason;

    /// <summary>Takes over a connected socket and a fresh engine.</summary>
    public PeerConnection(
        Socket socket,
        TlsEngine tls,
        PeerNetwork network,
        RelayClock clock,
        ILogger logger,
        bool isOutbound,
        long handshakeUntilMs,
        Action? onHandshakeEnd)
    {
        _socket = socket;
        _tls = tls;
        _network = network;
        _clock = clock;
        _logger = logger;
        _isOutbound = isOutbound;
        _onHandshakeEnd = onHandshakeEnd;
        HandshakeUntilMs = handshakeUntilMs;
    }

    /// <summary>When the TLS handshake must be done, unix milliseconds.</summary>
    public long HandshakeUntilMs { get; }

    /// <summary>Whether the other relay has said hello.</summary>
    public bool WasReady { get; private set; }

    /// <summary>Why the connection ends.</summary>
    public PeerCloseReason Reason => (PeerCloseReason)Volatile.Read(ref _reason);

    /// <summary>Serves the connection until it ends. Does not throw.</summary>
    public async Task RunAsync()
    {
        await Task.Yield();
        Task writer = WriteAsync();
        try
        {
            _output.Signal();
            await ReadAsync();
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            TrySetReason(PeerCloseReason.PeerLeft);
        }
        catch (Exception exception)
        {
            TrySetReason(PeerCloseReason.InternalError);
            Log.LinkFailed(_logger, exception);
        }

        EndHandshake();
        await EndAsync(writer);
    }

    /// <summary>Deadlines of TLS, link and socket. A few times a second.</summary>
    public void Tick(long nowMs, long sendTimeoutMs)
    {
        PeerSession? session = _session;
        if (session is null && nowMs >= HandshakeUntilMs)
        {
            Close(PeerCloseReason.HandshakeTimeout);
        }
        else if (session is not null && !session.Tick(nowMs))
        {
            Close(session.Failure);
        }

        long since = Volatile.Read(ref _sendingSinceMs);
        if (since != 0 && nowMs - since >= sendTimeoutMs)
        {
            Close(PeerCloseReason.SlowReader);
        }
    }

    /// <summary>Ends the connection; the first reason counts. Any thread.</summary>
    public void Close(PeerCloseReason reason)
    {
        if (!TrySetReason(reason))
        {
            return;
        }

        _session?.Close(reason);
        _room.Signal();
        try
        {
            // Wakes the reader, which says goodbye and disposes.
            _socket.Shutdown(SocketShutdown.Receive);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Gone already.
        }
    }

    /// <inheritdoc/>
    public void OnOutputAvailable()
    {
        _output.Signal();
    }

    /// <inheritdoc/>
    public void OnOutputOverflow()
    {
        ThreadPool.UnsafeQueueUserWorkItem(static link => link.Close(PeerCloseReason.SlowReader), this, preferLocal: false);
    }

    /// <inheritdoc/>
    public void OnOutboxRoom()
    {
        _room.Signal();
    }

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[BufferSize];
        while (Reason == PeerCloseReason.None)
        {
            if (_session is PeerSession { WantsInput: false } session)
            {
                if (session.Output.CheckRoom(this, _clock.NowMs) == FrameOutboxResult.Full)
                {
                    await _room.WaitAsync();
                }

                if (!session.Process(_clock.NowMs))
                {
                    TrySetReason(session.Failure);
                    return;
                }

                continue;
            }

            int count = await _socket.ReceiveAsync(buffer, SocketFlags.None);
            if (count == 0 || !Handle(buffer.AsSpan(0, count)))
            {
                TrySetReason(PeerCloseReason.PeerLeft);
                return;
            }
        }
    }

    private bool Handle(ReadOnlySpan<byte> ciphertext)
    {
        TlsResult result;
        bool isComplete;
        bool hasOutput;
        lock (_tlsGate)
        {
            result = _tls.Receive(ciphertext, _plaintext);
            isComplete = _tls.IsHandshakeComplete;
            hasOutput = _tls.PendingOutput > 0;
        }

        if (hasOutput)
        {
            _output.Signal();
        }

        long nowMs = _clock.NowMs;
        if (_session is null && isComplete && result != TlsResult.Failed)
        {
            if (!DeviceCertificate.TryParse(_tls.PeerCertificate.Span, out PublicKey? key))
            {
                TrySetReason(PeerCloseReason.TlsFailed);
                return false;
            }

            EndHandshake();
            _session = new PeerSession(_network.Core, key.Address, nowMs, this, _isOutbound, OnReady);
            _output.Signal();
        }

        bool goesOn = _session is not PeerSession session || session.Receive(_plaintext.WrittenSpan, nowMs);
        _plaintext.ResetWrittenCount();
        if (!goesOn)
        {
            TrySetReason(_session!.Failure);
        }
        else if (result == TlsResult.Failed)
        {
            Log.LinkHandshakeFailed(_logger, _tls.Error ?? "TLS failed");
            TrySetReason(PeerCloseReason.TlsFailed);
        }

        return goesOn && result == TlsResult.Ok;
    }

    private void OnReady(PeerSession session)
    {
        WasReady = true;
        Log.LinkOpened(_logger, session.Peer, _isOutbound ? "to" : "from");
        _network.OnReady(session, _clock.NowMs);
    }

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                await _output.WaitAsync();
                bool finishing = _finishing;
                int count;
                while ((count = Fill()) > 0)
                {
                    Volatile.Write(ref _sendingSinceMs, Math.Max(_clock.NowMs, 1));
                    int sent = 0;
                    while (sent < count)
                    {
                        sent += await _socket.SendAsync(_sendBuffer.AsMemory(sent, count - sent), SocketFlags.None);
                    }

                    Volatile.Write(ref _sendingSinceMs, 0);
                }

                if (finishing)
                {
                    return;
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            Close(PeerCloseReason.PeerLeft);
        }
        catch (Exception exception)
        {
            Log.LinkFailed(_logger, exception);
            Close(PeerCloseReason.InternalError);
        }
    }

    private int Fill()
    {
        lock (_tlsGate)
        {
            FrameOutbox? output = _session?.Output;
            while (output is not null
                && _tls.PendingOutput < MaxWaitingOutput
                && output.TryPeek(out ReadOnlyMemory<byte> chunk))
            {
                TlsResult result = _tls.Send(chunk.Span);
                output.Advance(chunk.Length);
                if (result != TlsResult.Ok)
                {
                    break;
                }
            }

            return _tls.ReadOutput(_sendBuffer);
        }
    }

    private void EndHandshake()
    {
        Interlocked.Exchange(ref _onHandshakeEnd, null)?.Invoke();
    }

    private bool TrySetReason(PeerCloseReason reason)
    {
        return Interlocked.CompareExchange(ref _reason, (int)reason, (int)PeerCloseReason.None) == (int)PeerCloseReason.None;
    }

    private async Task EndAsync(Task writer)
    {
        PeerSession? session = _session;
        if (session is not null)
        {
            session.Close(Reason);
            _network.OnDown(session, _clock.NowMs);
            Log.LinkClosed(_logger, session.Peer, Reason);
        }

        lock (_tlsGate)
        {
            _tls.Shutdown();
        }

        // What was answered before the end still goes out, if the peer reads.
        _finishing = true;
        _output.Signal();
        await Task.WhenAny(writer, Task.Delay(LastFlush));
        _socket.Dispose();
        await writer;
        session?.Dispose();
        session?.Output.Release();
        _tls.Dispose();
    }
}

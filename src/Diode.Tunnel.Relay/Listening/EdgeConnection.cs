using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Sessions;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Listening;

/// <summary>
/// One TCP connection: socket ↔ TLS ↔ session. <see cref="RunAsync"/> reads; whoever has output for the peer flushes.
/// An idle connection holds no buffers of ours.
/// </summary>
/// <remarks>
/// The TLS engine is used by the reader and the flusher under <c>_tlsGate</c>, never across I/O. There is one flusher
/// at a time (<c>_flushState</c>); the last of reader and flusher to leave frees everything.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "frees itself when the last of reader and flusher is done")]
internal sealed partial class EdgeConnection : IRelayLink, IThreadPoolWorkItem
{
    private const int ReadSize = 128 * 1024;

    // Reads in a row before others get a turn on this thread.
    private const int MaxReadsInRow = 4;

    private readonly Socket _socket;
    private readonly TlsEngine _tls;
    private readonly RelayCore _core;
    private readonly RelayClock _clock;
    private readonly ILogger _logger;
    private readonly IPAddress _address;
    private readonly Lock _tlsGate = new();
    private readonly StreamPacing _pacing = new(TimeProvider.System);
    private RelaySession? _session;
    private RoomSignal? _room;
    private Action? _onHandshakeEnd;
    private int _reason;
    private volatile bool _isActive;
    private bool _isTrimmed;

    /// <summary>Takes over an accepted, non-blocking socket and a fresh server engine.</summary>
    public EdgeConnection(
        Socket socket,
        TlsEngine tls,
        RelayCore core,
        RelayClock clock,
        ILogger logger,
        IPAddress address,
        AddressBudget budget,
        Action onHandshakeEnd)
    {
        _address = address;
        AddressBudget = budget;
        _onHandshakeEnd = onHandshakeEnd;
        _socket = socket;
        _tls = tls;
        _tls.KeepsBuffers = true;
        _core = core;
        _clock = clock;
        _logger = logger;
        HandshakeUntilMs = clock.NowMs + (long)core.Limits.HandshakeTimeout.TotalMilliseconds;
    }

    /// <inheritdoc/>
    public AddressBudget AddressBudget { get; }

    /// <inheritdoc/>
    public string PeerHost => (_address.IsIPv4MappedToIPv6 ? _address.MapToIPv4() : _address).ToString();

    /// <summary>When the handshake must be done, unix milliseconds.</summary>
    public long HandshakeUntilMs { get; }

    /// <summary>Whether the peer is authenticated and admitted.</summary>
    public bool IsEstablished => _session is not null;

    /// <summary>Whether <see cref="RunAsync"/> is through.</summary>
    public bool IsFinished => _retired;

    /// <summary>Why the connection ends.</summary>
    public CloseReason Reason => (CloseReason)Volatile.Read(ref _reason);

    /// <summary>Serves the connection until it ends. Does not throw.</summary>
    public async Task RunAsync()
    {
        // A handshake costs milliseconds: not on the thread that accepts.
        await Task.Yield();
        try
        {
            if (await HandshakeAsync())
            {
                EndHandshake();
                StreamPacing.ChooseCongestionControl(_socket);
                await ServeAsync(_session!);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The peer reset the connection, or Close disposed the socket.
            TrySetReason(CloseReason.PeerLeft);
        }
        catch (Exception exception)
        {
            TrySetReason(CloseReason.InternalError);
            Log.ConnectionFailed(_logger, exception);
        }
        finally
        {
            EndHandshake();
            End();
        }
    }

    /// <inheritdoc/>
    public void CheckAlive()
    {
        try
        {
            UnderlaySocket.CheckAlive(_socket);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }
    }

    /// <inheritdoc/>
    public void Close(CloseReason reason)
    {
        if (TrySetReason(reason))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Gives the buffers of TLS back when nothing came or went since the last call. Seldom, from one thread.</summary>
    public void TrimWhenQuiet()
    {
        if (_isActive)
        {
            _isActive = false;
            _isTrimmed = false;
            return;
        }

        if (!_isTrimmed && _tlsGate.TryEnter())
        {
            try
            {
                if (!_released)
                {
                    _tls.Trim();
                }

                _isTrimmed = true;
            }
            finally
            {
                _tlsGate.Exit();
            }
        }
    }

    /// <inheritdoc/>
    public void OnOutputAvailable()
    {
        if (!FlushBatch.TryAdd(this))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <inheritdoc/>
    public void OnOutputOverflow()
    {
        _core.Counters.SlowReaderCut();
        Close(CloseReason.SlowReader);
    }

    /// <inheritdoc/>
    public void OnDatagramsExpired(int count, int bytes)
    {
        const int lengthBytes = 2;
        _core.Counters.DatagramsLate(count);

        // What is not delivered is not charged.
        _session?.OnUsage(-(bytes - (count * lengthBytes)));
    }

    /// <inheritdoc/>
    public void OnOutboxRoom()
    {
        GetRoom().Signal();
    }

    /// <summary>Work asked for by <see cref="Close"/> or <see cref="OnOutputAvailable"/>.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (Reason != CloseReason.None)
        {
            SayGoodbye();
            _socket.Dispose();
            GetRoom().Signal();
            return;
        }

        Flush();
    }

    private async Task<bool> HandshakeAsync()
    {
        var early = new ArrayBufferWriter<byte>();
        while (!_tls.IsHandshakeComplete)
        {
            await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);

            // Completions run on the thread that waits for all sockets: the arithmetic must not hold up other devices' data.
            await Task.Yield();
            byte[] buffer = ArrayPool<byte>.Shared.Rent(4096);
            TlsResult result = TlsResult.Ok;
            try
            {
                int count = _socket.Receive(buffer, SocketFlags.None, out SocketError error);
                if (error == SocketError.WouldBlock)
                {
                    continue;
                }

                if (count == 0)
                {
                    result = TlsResult.Closed;
                }
                else
                {
                    lock (_tlsGate)
                    {
                        result = _tls.Receive(buffer.AsSpan(0, count), early);
                    }
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            Flush();
            if (result != TlsResult.Ok)
            {
                _core.Counters.FailedHandshake();
                TrySetReason(result == TlsResult.Failed ? CloseReason.TlsFailed : CloseReason.PeerLeft);
                Log.HandshakeFailed(_logger, _tls.Error ?? "the peer left");
                return false;
            }
        }

        if (!DeviceCertificate.TryParse(_tls.PeerCertificate.Span, out PublicKey? key))
        {
            _core.Counters.FailedHandshake();
            TrySetReason(CloseReason.TlsFailed);
            return false;
        }

        RelaySession? session = _core.TryAdd(key.Address, this, _clock.NowMs);
        if (session is null)
        {
            _core.Counters.RefusedByLimit();
            TrySetReason(CloseReason.Full);
            return false;
        }

        Volatile.Write(ref _session, session);
        Log.SessionOpened(_logger, session.Device);
        return early.WrittenCount == 0 || await HandleAsync(session, session.Edge.Receive(early.WrittenSpan, _clock.NowMs));
    }

    private async Task ServeAsync(RelaySession session)
    {
        while (Reason == CloseReason.None)
        {
            // Waits without a buffer: most sessions are idle most of the time.
            await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
            byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
            try
            {
                for (int reads = 0; reads < MaxReadsInRow && Reason == CloseReason.None; reads++)
                {
                    int count = _socket.Receive(buffer, SocketFlags.None, out SocketError error);
                    if (error == SocketError.WouldBlock)
                    {
                        break;
                    }

                    if (count <= 0 || !TryHandle(session, buffer.AsSpan(0, count), out EdgeServerStatus status))
                    {
                        TrySetReason(CloseReason.PeerLeft);
                        return;
                    }

                    if (status != EdgeServerStatus.NeedInput && !await HandleAsync(session, status))
                    {
                        return;
                    }

                    if (count < ReadSize / 2)
                    {
                        break;
                    }
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    // False when TLS ended.
    private bool TryHandle(RelaySession session, ReadOnlySpan<byte> ciphertext, out EdgeServerStatus status)
    {
        status = EdgeServerStatus.NeedInput;
        TlsResult result;
        bool hasOutput;
        lock (_tlsGate)
        {
            _isActive = true;

            // Room for all of it at once.
            session.Edge.Input.GetSpan(ciphertext.Length);
            result = _tls.Receive(ciphertext, session.Edge.Input);
            hasOutput = _tls.PendingOutput > 0;
        }

        FlushBatch.Begin();
        try
        {
            long nowMs = _clock.NowMs;
            status = session.Edge.Process(nowMs);
            CloseReason reason = session.Tick(nowMs);
            if (reason != CloseReason.None)
            {
                TrySetReason(reason);
            }
        }
        finally
        {
            FlushBatch.End();
        }

        if (hasOutput)
        {
            Flush();
        }

        if (result == TlsResult.Failed)
        {
            TrySetReason(CloseReason.TlsFailed);
        }

        return result == TlsResult.Ok;
    }

    // Waits while the session is blocked; false when the connection has to end.
    private async ValueTask<bool> HandleAsync(RelaySession session, EdgeServerStatus status)
    {
        while (status == EdgeServerStatus.Blocked)
        {
            await GetRoom().WaitAsync();
            if (Reason != CloseReason.None)
            {
                return false;
            }

            FlushBatch.Begin();
            try
            {
                status = session.Edge.Process(_clock.NowMs);
            }
            finally
            {
                FlushBatch.End();
            }
        }

        if (status == EdgeServerStatus.Failed)
        {
            _core.Counters.BadFrame();
            Log.BadFrame(_logger, session.Device, session.Edge.Failure ?? "");
            TrySetReason(CloseReason.BadFrame);
            return false;
        }

        return true;
    }

    private void EndHandshake()
    {
        Interlocked.Exchange(ref _onHandshakeEnd, null)?.Invoke();
    }

    private RoomSignal GetRoom()
    {
        return Volatile.Read(ref _room)
            ?? Interlocked.CompareExchange(ref _room, new RoomSignal(), null)
            ?? _room;
    }

    private bool TrySetReason(CloseReason reason)
    {
        return Interlocked.CompareExchange(ref _reason, (int)reason, (int)CloseReason.None) == (int)CloseReason.None;
    }

    private void SayGoodbye()
    {
        lock (_tlsGate)
        {
            if (!_released)
            {
                _tls.Shutdown();
            }
        }

        Flush();
    }

    private void End()
    {
        if (_session is RelaySession session)
        {
            FlushBatch.Begin();
            _core.Remove(session);
            FlushBatch.End();
            Log.SessionClosed(_logger, session.Device, Reason);
        }

        SayGoodbye();
        _socket.Dispose();
        Retire();
    }
}

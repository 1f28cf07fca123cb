using System.Buffers;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Listening;

/// <content>Outbox → TLS → socket.</content>
internal sealed partial class EdgeConnection
{
    private const int SendSize = StreamPacing.MaxChunk;

    // The largest piece of an outbox in records.
    private const int MaxPiece = (16 * 1024) + 256;

    private const int FlushIdle = 0;
    private const int FlushRunning = 1;
    private const int FlushWanted = 2;

    private int _flushState;
    private byte[]? _sendBuffer;
    private int _sendFrom;
    private int _sendTo;
    private long _sendPendingSinceMs;
    private SocketAsyncEventArgs? _sendArguments;
    private bool _sendFailed;
    private bool _released;
    private volatile bool _retired;

    /// <summary>Since when the peer's socket takes nothing, unix milliseconds; 0 when it does.</summary>
    public long SendPendingSinceMs => Volatile.Read(ref _sendPendingSinceMs);

    /// <summary>Sends what waits, unless somebody is at it: then that one goes on. Any thread, not under locks.</summary>
    public void Flush()
    {
        if (Interlocked.Exchange(ref _flushState, FlushWanted) == FlushIdle)
        {
            RunFlush();
        }
    }

    private void RunFlush()
    {
        do
        {
            Interlocked.Exchange(ref _flushState, FlushRunning);
            if (_retired)
            {
                // The state stays: nobody flushes any more.
                Release();
                return;
            }

            if (!TryDrain())
            {
                return;
            }
        }
        while (Interlocked.CompareExchange(ref _flushState, FlushIdle, FlushRunning) != FlushRunning);
    }

    // True when everything is sent; false when the socket is full and OnSent goes on later.
    private bool TryDrain()
    {
        while (!_sendFailed)
        {
            if (_sendFrom == _sendTo && !TryFill())
            {
                return true;
            }

            if (!TrySend())
            {
                return false;
            }
        }

        ReturnSendBuffer();
        return true;
    }

    private bool TryFill()
    {
        _isActive = true;
        _sendFrom = 0;
        _sendTo = 0;
        lock (_tlsGate)
        {
            long nowMs = _clock.NowMs;
            while ((_tls.PendingOutput == 0 || _tls.PendingOutput + MaxPiece <= _pacing.Chunk)
                && _tls.IsHandshakeComplete
                && _session is RelaySession session
                && session.Edge.Output.TryPeek(nowMs, out ReadOnlyMemory<byte> chunk))
            {
                TlsResult result = _tls.Send(chunk.Span);
                session.Edge.Output.Advance(chunk.Length);
                if (result != TlsResult.Ok)
                {
                    break;
                }
            }

            int length = Math.Min(_tls.PendingOutput, SendSize);
            if (length > 0)
            {
                RentSendBuffer(length);
                _sendTo = _tls.ReadOutput(_sendBuffer.AsSpan(0, length));
            }
        }

        if (_sendTo == 0)
        {
            ReturnSendBuffer();
            return false;
        }

        return true;
    }

    private void RentSendBuffer(int length)
    {
        if (_sendBuffer is null || _sendBuffer.Length < length)
        {
            ReturnSendBuffer();
            _sendBuffer = ArrayPool<byte>.Shared.Rent(length);
        }
    }

    private bool TrySend()
    {
        while (_sendFrom < _sendTo)
        {
            try
            {
                int sent = _socket.Send(
                    _sendBuffer.AsSpan(_sendFrom, _sendTo - _sendFrom), SocketFlags.None, out SocketError error);
                if (error == SocketError.WouldBlock)
                {
                    _pacing.Sent(_socket, 0, isFull: true);
                    if (!TryWaitForSocket(out sent, out error))
                    {
                        return false;
                    }
                }

                if (error != SocketError.Success)
                {
                    FailSend();
                    return true;
                }

                _sendFrom += sent;
                _pacing.Sent(_socket, sent, isFull: false);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                FailSend();
                return true;
            }
        }

        return true;
    }

    // False when the rest is sent later and OnSent goes on. The peer is slow, so the arguments object is made only now.
    private bool TryWaitForSocket(out int sent, out SocketError error)
    {
        if (_sendArguments is null)
        {
            _sendArguments = new SocketAsyncEventArgs(true);
            _sendArguments.Completed += (_, _) => OnSent();
        }

        Volatile.Write(ref _sendPendingSinceMs, _clock.NowMs);
        _sendArguments.SetBuffer(_sendBuffer, _sendFrom, _sendTo - _sendFrom);
        if (_socket.SendAsync(_sendArguments))
        {
            sent = 0;
            error = SocketError.Success;
            return false;
        }

        Volatile.Write(ref _sendPendingSinceMs, 0);
        sent = _sendArguments.BytesTransferred;
        error = _sendArguments.SocketError;
        return true;
    }

    private void OnSent()
    {
        Volatile.Write(ref _sendPendingSinceMs, 0);
        if (_sendArguments!.SocketError == SocketError.Success)
        {
            _sendFrom += _sendArguments.BytesTransferred;
            _pacing.Sent(_socket, _sendArguments.BytesTransferred, isFull: false);
        }
        else
        {
            FailSend();
        }

        if (TryDrain()
            && Interlocked.CompareExchange(ref _flushState, FlushIdle, FlushRunning) != FlushRunning)
        {
            RunFlush();
        }
    }

    private void FailSend()
    {
        _sendFailed = true;
        _sendFrom = _sendTo;
        Close(CloseReason.PeerLeft);
    }

    private void ReturnSendBuffer()
    {
        if (_sendBuffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_sendBuffer);
            _sendBuffer = null;
            _sendFrom = 0;
            _sendTo = 0;
        }
    }

    // The reader is done for good.
    private void Retire()
    {
        _retired = true;
        Flush();
    }

    private void Release()
    {
        lock (_tlsGate)
        {
            _released = true;
            _tls.Dispose();
        }

        ReturnSendBuffer();
        _sendArguments?.Dispose();
        if (_session is RelaySession session)
        {
            session.Edge.Dispose();
            session.Edge.Output.Release();
        }
    }
}

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// One session with one relay: TCP, TLS and the Edge protocol. All protocol state is behind one lock that is never held across a system
/// call. A thread of its own receives. Whoever has something to send sends it itself as far as the socket takes it (no hand-over, no
/// delay); what is left is sent by a second thread. Owner callbacks run on the receive thread, outside the lock.
/// </summary>
internal sealed partial class RelayConnection : IDisposable
{
    /// <summary>Time from the start of the TCP connection to the accepted ticket.</summary>
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Bytes read from the socket at once: four full TLS records.</summary>
    private const int ReceiveBytes = 64 * 1024;

    /// <summary>Room for the record headers and tags of that much data.</summary>
    private const int CipherOverhead = 4096;

    /// <summary>Longest wait for a full socket before looking whether the session is closed, in microseconds.</summary>
    private const int WritePoll = 200_000;

    /// <summary>Longest wait for data before looking whether the session is closed, in microseconds.</summary>
    private const int ReadPoll = 1_000_000;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _sendSignal = new(0);
    private readonly RelayConnectionOptions _options;
    private readonly IRelayEvents _events;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ReceivedTrains _trains;
    private readonly TlsEngine _tls;
    private readonly EdgeClientSession _session;
    private readonly ArrayBufferWriter<byte> _plaintext = new(ReceiveBytes);
    private readonly SendBudget _budget;
    private readonly WaitingDatagrams _waiting;
    private readonly StreamPacing _pacing;
    private readonly byte[] _plain = GC.AllocateUninitializedArray<byte>(ReceiveBytes, pinned: true);
    private readonly byte[] _cipher = GC.AllocateUninitializedArray<byte>(ReceiveBytes + CipherOverhead, pinned: true);
    private Socket? _socket;
    private Task? _receiving;
    private Task? _sending;
    private string? _closeReason;
    private string? _certificateProblem;
    private long _refusedSends;
    private int _closed;
    private int _signalled;
    private int _sendTurn;
    private int _cipherStart;
    private int _cipherEnd;
    private bool _sessionStarted;
    private bool _ready;

    /// <summary>Prepares a session; nothing goes out before <see cref="Start"/>.</summary>
    public RelayConnection(RelayConnectionOptions options, IRelayEvents events, ILogger logger, TimeProvider time, PacketPool pool)
    {
        _options = options;
        _events = events;
        _logger = logger;
        _time = time;
        _trains = new ReceivedTrains(pool);
        _budget = new SendBudget(time);
        _waiting = new WaitingDatagrams(time, SendBudget.MaxDelay);
        _pacing = new StreamPacing(time);
        _tls = TlsEngineFactory.Create(TlsRole.Client, options.TlsIdentity, ValidateCertificate);
        _session = new EdgeClientSession(options.Keys, options.Uri.Address, options.Edge, this);
    }

    /// <summary>Where the relay is and who it must be.</summary>
    public RelayUri Uri => _options.Uri;

    /// <summary>True from the accepted ticket to the end.</summary>
    public bool IsReady => Volatile.Read(ref _ready) && Volatile.Read(ref _closed) == 0;

    /// <summary>True once the session has ended.</summary>
    public bool IsClosed => Volatile.Read(ref _closed) != 0;

    /// <summary>Round-trip time of the last ping; null before the first.</summary>
    public TimeSpan? RoundTrip { get; private set; }

    /// <summary>Data dropped because the session could not take it in time: the bound of design §4 "Paths".</summary>
    public long DroppedSends => Interlocked.Read(ref _refusedSends) + _waiting.Expired;

    /// <summary>Where it was connected to; null before <see cref="Start"/>.</summary>
    public IPEndPoint? Endpoint { get; private set; }

    /// <summary>This device's address that the session was made from; null until it is connected.</summary>
    public IPAddress? LocalAddress { get; private set; }

    /// <summary>Where the owner's packet path for datagrams of this session lies; receive thread only. Goes with the session.</summary>
    public PipelineReceiver? Receiver { get; set; }

    /// <summary>Connects and runs the session on threads of its own. The owner hears of success or failure by events.</summary>
    public void Start(IPEndPoint endpoint)
    {
        Endpoint = endpoint;
        _receiving = Task.Factory.StartNew(
            () => ReceiveLoop(endpoint), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Ends the session; the first reason wins. Safe to call from anywhere, also from callbacks.</summary>
    public void Close(string reason)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _closeReason = reason;
        ReleaseStreams();
        Unblock(_socket);
        _sendSignal.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close("the tunnel is stopping");
#pragma warning disable VSTHRD002 // both loops end at once when the socket is gone
        _receiving?.Wait(TimeSpan.FromSeconds(5));
        _sending?.Wait(TimeSpan.FromSeconds(5));
#pragma warning restore VSTHRD002
        WaitForSigning();
        lock (_gate)
        {
            _session.Dispose();
            _tls.Dispose();
        }

        _sendSignal.Dispose();
    }

    /// <summary>Ends the connection so that a thread that waits on it wakes up, then frees it.</summary>
    private static void Unblock(Socket? socket)
    {
        if (socket is null)
        {
            return;
        }

        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // Not connected (any more): nobody waits.
        }
        catch (ObjectDisposedException)
        {
            // Freed already.
        }

        socket.Dispose();
    }

    private bool ValidateCertificate(ReadOnlySpan<byte> der)
    {
        if (!DeviceCertificate.TryParse(der, out PublicKey? key))
        {
            _certificateProblem = "the relay's certificate is not a Diode certificate (secp256k1)";
            return false;
        }

        if (key.Address != Uri.Address)
        {
            _certificateProblem = $"the relay has another identity than asked for: it is {key.Address}, not {Uri.Address}";
            return false;
        }

        return true;
    }

    private void ReceiveLoop(IPEndPoint endpoint)
    {
        string reason = "the relay closed the connection";
        try
        {
            _socket = UnderlaySocket.CreateTcp(endpoint.AddressFamily);
            if (Volatile.Read(ref _closed) != 0)
            {
                return;
            }

            ConnectWithTimeout(_socket, endpoint);
            LocalAddress = (_socket.LocalEndPoint as IPEndPoint)?.Address;
            _socket.Blocking = false;
            _sending = Task.Factory.StartNew(
                SendLoop, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            Flush();
            reason = ReceiveUntilClosed(_socket) ?? reason;
        }
        catch (SocketException e)
        {
            reason = Describe(e, endpoint);
        }
        catch (ObjectDisposedException)
        {
            // Close has taken the socket away; it knows why.
        }
        catch (Platform.PlatformException e)
        {
            reason = e.Message;
        }
        finally
        {
            Close(reason);
            Volatile.Write(ref _ready, false);
            ClosePorts();
            Receiver?.Dispose();
            _events.OnClosed(this, _closeReason ?? reason);
        }
    }

    private static void ConnectWithTimeout(Socket socket, IPEndPoint endpoint)
    {
        socket.SendTimeout = (int)ReadyTimeout.TotalMilliseconds;
        socket.Connect(endpoint);
        socket.SendTimeout = 0;
    }

    private string? ReceiveUntilClosed(Socket socket)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ReceiveBytes, pinned: true);
        while (true)
        {
            int received = socket.Receive(buffer, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                socket.Poll(ReadPoll, SelectMode.SelectRead);
                continue;
            }

            if (error != SocketError.Success)
            {
                throw new SocketException((int)error);
            }

            if (received == 0)
            {
                return null;
            }

            string? failure;
            lock (_gate)
            {
                failure = ReceiveLocked(buffer.AsSpan(0, received));
            }

            Deliver();
            Flush();
            WaitForReaders();
            if (failure is not null)
            {
                return failure;
            }
        }
    }

    private string? ReceiveLocked(ReadOnlySpan<byte> ciphertext)
    {
        _plaintext.ResetWrittenCount();
        TlsResult result = _tls.Receive(ciphertext, _plaintext);
        if (result == TlsResult.Failed)
        {
            return _certificateProblem ?? $"TLS with the relay failed: {_tls.Error}";
        }

        long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (_tls.IsHandshakeComplete && !_sessionStarted)
        {
            _sessionStarted = true;
            _session.Start(now);
        }

        if (_plaintext.WrittenCount > 0 && !_session.Receive(_plaintext.WrittenSpan, now))
        {
            return $"the relay broke the protocol: {_session.Failure}";
        }

        return result == TlsResult.Closed ? "the relay closed the connection" : null;
    }

    /// <summary>Waits until the socket takes more, and sends what others had to leave.</summary>
    private void SendLoop()
    {
        try
        {
            while (Volatile.Read(ref _closed) == 0)
            {
#pragma warning disable VSTHRD103 // this thread belongs to the loop
                _sendSignal.Wait();
#pragma warning restore VSTHRD103
                Volatile.Write(ref _signalled, 0);
                while (Volatile.Read(ref _closed) == 0 && !SendPending())
                {
                    _socket!.Poll(WritePoll, SelectMode.SelectWrite);
                }
            }
        }
        catch (SocketException e)
        {
            Close($"the connection to the relay broke: {e.Message}");
        }
        catch (ObjectDisposedException)
        {
            // Closed under us.
        }
    }

    /// <summary>Sends now what the socket takes; the rest, if any, is left to the send thread.</summary>
    private void Flush()
    {
        try
        {
            if (!SendPending() && Interlocked.Exchange(ref _signalled, 1) == 0)
            {
                _sendSignal.Release();
            }
        }
        catch (ObjectDisposedException)
        {
            // Closed under us.
        }
    }

    /// <summary>
    /// Encrypts and sends until nothing is left (true) or the socket is full (false). One thread at a time: another that comes
    /// meanwhile leaves its data to the one at work, which looks again before it goes.
    /// </summary>
    private bool SendPending()
    {
        while (Interlocked.CompareExchange(ref _sendTurn, 1, 0) == 0)
        {
            bool sent;
            try
            {
                sent = SendChunks();
            }
            finally
            {
                Volatile.Write(ref _sendTurn, 0);
            }

            if (!sent)
            {
                return false;
            }

            lock (_gate)
            {
                // What is left when the session has ended is never sent: waiting for it would never end.
                if (Volatile.Read(ref _closed) != 0 || !HasOutputLocked())
                {
                    return true;
                }
            }
        }

        return true;
    }

    private bool SendChunks()
    {
        if (_socket is not { } socket)
        {
            return true;
        }

        while (Volatile.Read(ref _closed) == 0)
        {
            if (_cipherStart == _cipherEnd && !EncryptNext())
            {
                return true;
            }

            int sent = socket.Send(_cipher.AsSpan(_cipherStart, _cipherEnd - _cipherStart), SocketFlags.None, out SocketError error);
            if (error is SocketError.WouldBlock or SocketError.IOPending)
            {
                _pacing.Sent(socket, 0, isFull: true);
                return false;
            }

            if (error != SocketError.Success)
            {
                Close($"the connection to the relay broke: {new SocketException((int)error).Message}");
                return true;
            }

            _cipherStart += sent;
            _pacing.Sent(socket, sent, isFull: false);
        }

        return true;
    }

    private bool EncryptNext()
    {
        lock (_gate)
        {
            if (_tls.PendingOutput == 0 && _tls.IsHandshakeComplete)
            {
                int chunk = Math.Min(_pacing.Chunk, _plain.Length);
                while (_session.PendingOutput < chunk && _waiting.TryTake(out PortRef port, out ReadOnlySpan<byte> data))
                {
                    _session.PortSend(port, data);
                }

                if (_session.PendingOutput > 0)
                {
                    _tls.Send(_plain.AsSpan(0, _session.ReadOutput(_plain.AsSpan(0, chunk))));
                }
            }

            _cipherStart = 0;
            _cipherEnd = _tls.ReadOutput(_cipher);
            _budget.Drained(_cipherEnd);
            SignalRoomLocked();
            return _cipherEnd > 0;
        }
    }

    private bool HasOutputLocked()
    {
        return _tls.PendingOutput > 0 || (_tls.IsHandshakeComplete && (_session.PendingOutput > 0 || !_waiting.IsEmpty));
    }

    private static string Describe(SocketException e, IPEndPoint endpoint)
    {
        return e.SocketErrorCode switch
        {
            SocketError.ConnectionRefused => $"nothing listens at {endpoint} (connection refused)",
            SocketError.TimedOut => $"{endpoint} does not answer (timed out)",
            SocketError.HostUnreachable or SocketError.NetworkUnreachable => $"{endpoint} cannot be reached: no route",
            _ => $"the connection to {endpoint} broke: {e.Message}",
        };
    }
}

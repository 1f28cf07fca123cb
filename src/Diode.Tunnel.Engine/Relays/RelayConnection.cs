using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// One session with one relay: TCP, TLS and the Edge protocol. Two threads of its own, one receiving, one sending; all protocol state is
/// behind one lock that is never held across a system call. Owner callbacks run on the receive thread, outside the lock.
/// </summary>
internal sealed partial class RelayConnection : IDisposable
{
    /// <summary>Time from the start of the TCP connection to the accepted ticket.</summary>
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Bytes read from the socket at once: four full TLS records.</summary>
    private const int ReceiveBytes = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _sendSignal = new(0);
    private readonly RelayConnectionOptions _options;
    private readonly IRelayEvents _events;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly PacketPool _pool;
    private readonly TlsEngine _tls;
    private readonly EdgeClientSession _session;
    private readonly ArrayBufferWriter<byte> _plaintext = new(ReceiveBytes);
    private readonly SendBudget _budget;
    private Socket? _socket;
    private Task? _receiving;
    private Task? _sending;
    private string? _closeReason;
    private string? _certificateProblem;
    private int _closed;
    private int _signalled;
    private bool _sessionStarted;
    private bool _ready;

    /// <summary>Prepares a session; nothing goes out before <see cref="Start"/>.</summary>
    public RelayConnection(RelayConnectionOptions options, IRelayEvents events, ILogger logger, TimeProvider time, PacketPool pool)
    {
        _options = options;
        _events = events;
        _logger = logger;
        _time = time;
        _pool = pool;
        _budget = new SendBudget(time);
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
    public long DroppedSends { get; private set; }

    /// <summary>Connects and runs the session on threads of its own. The owner hears of success or failure by events.</summary>
    public void Start(IPEndPoint endpoint)
    {
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
        _socket?.Dispose();
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
        lock (_gate)
        {
            _session.Dispose();
            _tls.Dispose();
        }

        _sendSignal.Dispose();
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
            _sending = Task.Factory.StartNew(
                SendLoop, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            WakeSender();
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
            int received = socket.Receive(buffer);
            if (received == 0)
            {
                return null;
            }

            string? failure;
            lock (_gate)
            {
                failure = ReceiveLocked(buffer.AsSpan(0, received));
            }

            if (_session.PendingOutput > 0 || _tls.PendingOutput > 0)
            {
                WakeSender();
            }

            Deliver();
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

    private void SendLoop()
    {
        byte[] plain = GC.AllocateUninitializedArray<byte>(ReceiveBytes, pinned: true);
        byte[] cipher = GC.AllocateUninitializedArray<byte>(ReceiveBytes + 4096, pinned: true);
        try
        {
            while (Volatile.Read(ref _closed) == 0)
            {
#pragma warning disable VSTHRD103 // this thread belongs to the loop
                _sendSignal.Wait();
#pragma warning restore VSTHRD103
                Volatile.Write(ref _signalled, 0);
                SendPending(plain, cipher);
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

    private void SendPending(byte[] plain, byte[] cipher)
    {
        while (Volatile.Read(ref _closed) == 0)
        {
            int length;
            lock (_gate)
            {
                if (_tls.PendingOutput == 0 && _tls.IsHandshakeComplete && _session.PendingOutput > 0)
                {
                    _tls.Send(plain.AsSpan(0, _session.ReadOutput(plain)));
                }

                length = _tls.ReadOutput(cipher);
                _budget.Drained(length);
            }

            if (length == 0)
            {
                return;
            }

            Socket socket = _socket!;
            for (int sent = 0; sent < length;)
            {
                sent += socket.Send(cipher.AsSpan(sent, length - sent));
            }
        }
    }

    private void WakeSender()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0)
        {
            _sendSignal.Release();
        }
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

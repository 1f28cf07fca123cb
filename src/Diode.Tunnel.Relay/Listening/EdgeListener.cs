using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Sessions;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Listening;

/// <summary>Accepts devices on several TCP ports and keeps their connections until <see cref="StopAsync"/>.</summary>
internal sealed class EdgeListener : IDisposable
{
    private const int Backlog = 512;
    private const long TrimIntervalMs = 2000;

    private readonly RelayCore _core;
    private readonly RelayClock _clock;
    private readonly TlsIdentity _identity;
    private readonly ILogger _logger;
    private readonly AddressLimiter _limiter;
    private readonly List<Socket> _sockets = [];
    private readonly List<Task> _loops = [];
    private readonly ConcurrentDictionary<EdgeConnection, Task> _connections = new();
    private readonly CancellationTokenSource _stop = new();
    private long _trimmedMs;

    public EdgeListener(RelayCore core, RelayClock clock, TlsIdentity identity, ILogger logger)
    {
        _core = core;
        _clock = clock;
        _identity = identity;
        _logger = logger;
        _limiter = new AddressLimiter(core.Limits.MaxConnectionsPerAddress, core.Limits.MaxHandshakesPerAddress);
    }

    /// <summary>Connections, unauthenticated ones included.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>Binds a port; nothing is accepted yet.</summary>
    /// <exception cref="PlatformException">The port is taken or forbidden; the hint says what to do.</exception>
    public IPEndPoint Bind(IPEndPoint endpoint)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = endpoint.Address.Equals(IPAddress.IPv6Any);
            }

            // Not ReuseAddress: on Linux .NET also sets SO_REUSEPORT with it, and two relays would share a port.
            StreamPacing.Prepare(socket);
            socket.Bind(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw Explain(endpoint, exception);
        }

        _sockets.Add(socket);
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    /// <summary>Begins to accept on all bound ports.</summary>
    public void Start()
    {
        foreach (Socket socket in _sockets)
        {
            _loops.Add(AcceptLoopAsync(socket, _stop.Token));
        }
    }

    /// <summary>Ends handshakes that take too long and connections that take nothing of their output.</summary>
    public void Tick(long nowMs)
    {
        long sendTimeoutMs = (long)_core.Limits.SendTimeout.TotalMilliseconds;
        bool trims = nowMs - _trimmedMs >= TrimIntervalMs;
        _trimmedMs = trims ? nowMs : _trimmedMs;
        foreach ((EdgeConnection connection, _) in _connections)
        {
            if (trims)
            {
                connection.TrimWhenQuiet();
            }

            if (!connection.IsEstablished && nowMs >= connection.HandshakeUntilMs)
            {
                connection.Close(CloseReason.HandshakeTimeout);
            }

            long since = connection.SendPendingSinceMs;
            if (since != 0 && nowMs - since >= sendTimeoutMs)
            {
                _core.Counters.SlowReaderCut();
                connection.Close(CloseReason.SlowReader);
            }
        }
    }

    /// <summary>Frees the ports, closes all connections and waits until they are gone.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        foreach (Socket socket in _sockets)
        {
            socket.Dispose();
        }

        await Task.WhenAll(_loops);
        while (!_connections.IsEmpty)
        {
            Task[] tasks = [.. _connections.Values];
            foreach ((EdgeConnection connection, _) in _connections)
            {
                connection.Close(CloseReason.Stopping);
            }

            await Task.WhenAll(tasks);
        }
    }

    /// <summary>Gives bound ports back. After <see cref="StopAsync"/>, or when nothing was started.</summary>
    public void Dispose()
    {
        foreach (Socket socket in _sockets)
        {
            socket.Dispose();
        }

        _stop.Dispose();
    }

    private static PlatformException Explain(IPEndPoint endpoint, SocketException exception)
    {
        string hint = exception.SocketErrorCode switch
        {
            SocketError.AddressAlreadyInUse =>
                $"another program listens there (see: ss -ltnp sport = :{endpoint.Port}); "
                + "stop it or choose another port with --listen",
            SocketError.AccessDenied =>
                "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; "
                + "choose another port with --listen",
            SocketError.AddressNotAvailable =>
                "this machine does not have that address; listen on 0.0.0.0 for all of them",
            _ => "choose another address or port with --listen",
        };
        return new PlatformException(
            $"Cannot listen on TCP {endpoint}: {exception.Message}", exception.NativeErrorCode, hint, exception);
    }

    private async Task AcceptLoopAsync(Socket listener, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                Admit(await listener.AcceptAsync(cancel));
            }
            catch (Exception exception) when (cancel.IsCancellationRequested
                && exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
            catch (Exception exception) when (exception is SocketException or PlatformException)
            {
                // Out of descriptors, or a peer that left before it was accepted. Does not spin.
                Log.AcceptFailed(_logger, exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50), CancellationToken.None);
            }
        }
    }

    private void Admit(Socket socket)
    {
        _core.Counters.Accepted();
        if (socket.RemoteEndPoint is not IPEndPoint remote
            || !_limiter.TryEnter(remote.Address, out UInt128 key, out AddressBudget budget))
        {
            _core.Counters.RefusedByLimit();
            socket.Dispose();
            return;
        }

        bool started = false;
        try
        {
            socket.NoDelay = true;
            socket.Blocking = false;
            UnderlaySocket.SetKeepAlive(socket);
            TlsEngine tls = TlsEngineFactory.Create(
                TlsRole.Server, _identity, static der => DeviceCertificate.TryParse(der, out _));
            var connection = new EdgeConnection(
                socket, tls, _core, _clock, _logger, remote.Address, budget, () => _limiter.EndHandshake(key));
            _connections[connection] = ServeAsync(connection, key);
            started = true;
            if (connection.IsFinished)
            {
                // It was over before it was listed.
                _connections.TryRemove(connection, out _);
            }
        }
        finally
        {
            if (!started)
            {
                socket.Dispose();
                _limiter.EndHandshake(key);
                _limiter.Leave(key);
            }
        }
    }

    private async Task ServeAsync(EdgeConnection connection, UInt128 key)
    {
        await connection.RunAsync();
        _limiter.Leave(key);
        _connections.TryRemove(connection, out _);
    }
}

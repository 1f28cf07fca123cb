using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Listening;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Accepts and dials other relays, and keeps their connections until <see cref="StopAsync"/>.</summary>
internal sealed class PeerHub : IPeerDialer, IDisposable
{
    private const int Backlog = 64;
    private const int MaxConnections = 2 * PeerCore.MaxLinks;
    private const int MaxConnectionsPerAddress = 64;
    private const int MaxHandshakesPerAddress = 16;
    private const int HandshakeTimeoutMs = 15_000;
    private const int SendTimeoutMs = 30_000;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly RelayClock _clock;
    private readonly TlsIdentity _identity;
    private readonly ILogger _logger;
    private readonly AddressLimiter _limiter = new(MaxConnectionsPerAddress, MaxHandshakesPerAddress);
    private readonly ConcurrentDictionary<PeerConnection, Task> _connections = new();
    private readonly ConcurrentDictionary<Task, byte> _dials = new();
    private readonly CancellationTokenSource _stop = new();
    private PeerNetwork? _network;
    private Socket? _listener;
    private Task _loop = Task.CompletedTask;

    public PeerHub(RelayClock clock, TlsIdentity identity, ILogger logger)
    {
        _clock = clock;
        _identity = identity;
        _logger = logger;
    }

    /// <summary>Connections, unauthenticated ones included.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>Where other relays connect, or null.</summary>
    public IPEndPoint? Endpoint { get; private set; }

    /// <summary>Binds the port; nobody is accepted yet.</summary>
    /// <exception cref="PlatformException">The port is taken or forbidden.</exception>
    public IPEndPoint Bind(IPEndPoint endpoint)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = endpoint.Address.Equals(IPAddress.IPv6Any);
            }

            socket.Bind(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new PlatformException(
                $"Cannot listen for relays on TCP {endpoint}: {exception.Message}",
                exception.NativeErrorCode,
                "choose another address or port with --peer-listen, or none",
                exception);
        }

        _listener = socket;
        return Endpoint = (IPEndPoint)socket.LocalEndPoint!;
    }

    /// <summary>Begins to accept and to dial.</summary>
    public void Start(PeerNetwork network)
    {
        _network = network;
        if (_listener is Socket listener)
        {
            _loop = AcceptLoopAsync(listener, network, _stop.Token);
        }
    }

    /// <summary>Deadlines of all connections.</summary>
    public void Tick(long nowMs)
    {
        foreach ((PeerConnection connection, _) in _connections)
        {
            connection.Tick(nowMs, SendTimeoutMs);
        }
    }

    /// <inheritdoc/>
    public void Dial(PeerTarget target)
    {
        Task dial = DialAsync(target, _stop.Token);
        _dials[dial] = 0;
        _ = dial.ContinueWith(done => _dials.TryRemove(done, out _), TaskScheduler.Default);
    }

    /// <summary>Frees the port, closes all links and waits until they are gone.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        _listener?.Dispose();
        await _loop;
        while (!_connections.IsEmpty || !_dials.IsEmpty)
        {
            Task[] tasks = [.. _connections.Values, .. _dials.Keys];
            foreach ((PeerConnection connection, _) in _connections)
            {
                connection.Close(PeerCloseReason.Stopping);
            }

            await Task.WhenAll(tasks);
            await Task.Yield();
        }
    }

    /// <summary>Gives the port back. After <see cref="StopAsync"/>, or when nothing was started.</summary>
    public void Dispose()
    {
        _listener?.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptLoopAsync(Socket listener, PeerNetwork network, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                Admit(await listener.AcceptAsync(cancel), network);
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

    private void Admit(Socket socket, PeerNetwork network)
    {
        if (_connections.Count >= MaxConnections
            || socket.RemoteEndPoint is not IPEndPoint remote
            || !_limiter.TryEnter(remote.Address, out UInt128 key, out _))
        {
            network.Core.Counters.Refused();
            socket.Dispose();
            return;
        }

        bool started = false;
        try
        {
            Prepare(socket);
            TlsEngine tls = TlsEngineFactory.Create(
                TlsRole.Server, _identity, static der => DeviceCertificate.TryParse(der, out _));
            var connection = new PeerConnection(
                socket, tls, network, _clock, _logger, false, _clock.NowMs + HandshakeTimeoutMs, () => _limiter.EndHandshake(key));
            _ = ServeAsync(connection, () => _limiter.Leave(key));
            started = true;
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

    private Task ServeAsync(PeerConnection connection, Action onEnd)
    {
        Task task = RunAsync();
        _connections[connection] = task;
        if (task.IsCompleted)
        {
            _connections.TryRemove(connection, out _);
        }

        return task;

        async Task RunAsync()
        {
            await connection.RunAsync();
            onEnd();
            _connections.TryRemove(connection, out _);
        }
    }

    private async Task DialAsync(PeerTarget target, CancellationToken cancel)
    {
        await Task.Yield();
        PeerNetwork network = _network!;
        bool wasReady = false;
        try
        {
            Socket? socket = await ConnectAsync(target, cancel);
            if (socket is not null)
            {
                wasReady = await ServeDialledAsync(socket, target, network);
            }
        }
        catch (Exception exception) when (exception is SocketException or PlatformException or OperationCanceledException)
        {
            Log.DialFailed(_logger, target.Relay, target.Host, target.Port, exception.Message);
        }

        if (!wasReady && !cancel.IsCancellationRequested)
        {
            network.OnDialFailed(target, _clock.NowMs);
        }
    }

    private async Task<bool> ServeDialledAsync(Socket socket, PeerTarget target, PeerNetwork network)
    {
        Address? proven = null;
        TlsEngine tls;
        try
        {
            Prepare(socket);
            tls = TlsEngineFactory.Create(TlsRole.Client, _identity, der =>
            {
                proven = DeviceCertificate.TryParse(der, out PublicKey? key) ? key.Address : null;
                return proven == target.Relay;
            });
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var connection = new PeerConnection(
            socket, tls, network, _clock, _logger, true, _clock.NowMs + HandshakeTimeoutMs, null);
        await ServeAsync(connection, static () => { });
        if (proven is Address other && other != target.Relay)
        {
            network.Core.Counters.WrongKey();
            Log.WrongRelay(_logger, target.Host, target.Port, target.Relay, other);
        }

        return connection.WasReady;
    }

    private static async Task<Socket?> ConnectAsync(PeerTarget target, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(ConnectTimeout);
        IPAddress[] addresses = IPAddress.TryParse(target.Host, out IPAddress? literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(target.Host, limit.Token);
        SocketException? last = null;
        foreach (IPAddress address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, target.Port), limit.Token);
                return socket;
            }
            catch (SocketException exception)
            {
                socket.Dispose();
                last = exception;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        return last is null ? null : throw last;
    }

    private static void Prepare(Socket socket)
    {
        socket.NoDelay = true;
        UnderlaySocket.SetKeepAlive(socket);
    }
}

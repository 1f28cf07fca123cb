using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Local ports on the loopback address that lead to ports of other devices. Lives as long as the tunnel is up. <see cref="Apply"/> and
/// <see cref="Tick"/> on the engine loop.
/// </summary>
/// <param name="opener">Opens ports.</param>
/// <param name="resolve">The device a name stands for now; null: nobody, or several.</param>
/// <param name="identity">This device for TLS. Borrowed.</param>
/// <param name="sessions">TLS sessions to resume. Borrowed.</param>
/// <param name="logger">Log.</param>
/// <param name="time">Clock.</param>
internal sealed class PortBinds(
    PlainOpener opener,
    Func<string, CancellationToken, Task<Address?>> resolve,
    TlsIdentity identity,
    TlsSessionCache sessions,
    ILogger logger,
    TimeProvider time) : IAsyncDisposable
{
    private const int MaxConnections = 256;
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(45);

    private readonly List<Bound> _bound = [];
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _work = [];

    /// <summary>Port and problem of a bind; the port is 0 and the problem set where it does not listen.</summary>
    public (int Local, string? Problem) Find(BindDefinition bind)
    {
        Bound? bound = _bound.Find(b => b.Bind == bind);
        return bound is null ? (bind.Local, "the tunnel is down") : (bound.Port, bound.Problem);
    }

    /// <summary>Makes exactly these listen; those that were taken back end with their connections.</summary>
    public void Apply(IReadOnlyList<BindDefinition> binds)
    {
        foreach (Bound gone in _bound.Where(b => !binds.Contains(b.Bind)).ToArray())
        {
            gone.Stop.Cancel();
            gone.Listener?.Dispose();
            _bound.Remove(gone);
        }

        foreach (BindDefinition bind in binds.Where(b => _bound.TrueForAll(x => x.Bind != b)))
        {
            Bound bound = new(bind);
            _bound.Add(bound);
            TryListen(bound);
        }
    }

    /// <summary>Tries again what could not listen.</summary>
    public void Tick()
    {
        foreach (Bound bound in _bound.Where(static b => b.Listener is null))
        {
            TryListen(bound);
        }
    }

    /// <summary>Ends all and waits.</summary>
    public async ValueTask DisposeAsync()
    {
        Apply([]);
        Task[] work;
        lock (_gate)
        {
            work = [.. _work];
        }

        await Task.WhenAll(work).ConfigureAwait(false);
    }

    private void TryListen(Bound bound)
    {
        bool isUdp = bound.Bind.Protocol == PortProtocol.Udp;
        Socket socket = new(AddressFamily.InterNetwork, isUdp ? SocketType.Dgram : SocketType.Stream, isUdp ? ProtocolType.Udp : ProtocolType.Tcp);
        try
        {
            if (isUdp)
            {
                // Each sender gets a socket of its own on the same port.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            }

            socket.Bind(new IPEndPoint(IPAddress.Loopback, bound.Bind.Local));
            bound.Port = ((IPEndPoint)socket.LocalEndPoint!).Port;
            if (!isUdp)
            {
                socket.Listen();
            }

            bound.Problem = null;
            bound.Listener = socket;
            Run(() => isUdp ? TakeDatagramsAsync(bound, socket) : AcceptAsync(bound, socket));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            bound.Problem = $"127.0.0.1:{bound.Bind.Local} cannot be used: {e.Message}";
        }
    }

    private async Task AcceptAsync(Bound bound, Socket listener)
    {
        while (!bound.Stop.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(bound.Stop.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref bound.Connections) > MaxConnections)
                {
                    Interlocked.Decrement(ref bound.Connections);
                    Reset(socket);
                    continue;
                }

                Run(() => CarryAsync(bound, socket));
            }
            catch (SocketException)
            {
                // A connection that was gone before it was taken.
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CarryAsync(Bound bound, Socket socket)
    {
        try
        {
            PlainOpening opening = await OpenAsync(bound).ConfigureAwait(false);
            if (opening.Port is not { } port)
            {
                Reset(socket);
                return;
            }

            using PortStream stream = new(port, bound.Bind.Protocol == PortProtocol.Tls ? identity : null, sessions, time);
            using CancellationTokenRegistration stop = bound.Stop.Token.Register(stream.Abort);
            if (await stream.HandshakeAsync().ConfigureAwait(false) is { } problem)
            {
                Log.PlainRefused(logger, bound.Bind.To, bound.Bind.ToString(), problem);
                Reset(socket);
                return;
            }

            socket.NoDelay = true;
            UnderlaySocket.SetKeepAlive(socket);
            await stream.RunAsync(socket).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Reset(socket);
        }
        finally
        {
            Interlocked.Decrement(ref bound.Connections);
        }
    }

    private async Task TakeDatagramsAsync(Bound bound, Socket listener)
    {
        byte[] buffer = new byte[DatagramStreamWriter.HeaderLength + EdgeLimits.MaxDatagram];
        while (!bound.Stop.IsCancellationRequested)
        {
            try
            {
                SocketReceiveFromResult received = await listener.ReceiveFromAsync(
                    buffer.AsMemory(DatagramStreamWriter.HeaderLength), new IPEndPoint(IPAddress.Any, 0), bound.Stop.Token).ConfigureAwait(false);
                IPEndPoint sender = (IPEndPoint)received.RemoteEndPoint;
                if (Interlocked.Increment(ref bound.Connections) > MaxConnections || !bound.Senders.TryAdd(sender, 0))
                {
                    // Too many, or its port is being opened: lost, like any datagram.
                    Interlocked.Decrement(ref bound.Connections);
                    continue;
                }

                DatagramStreamWriter.WriteHeader(buffer, received.ReceivedBytes);
                byte[] first = buffer[..(DatagramStreamWriter.HeaderLength + received.ReceivedBytes)];
                Run(() => CarryDatagramsAsync(bound, sender, first));
            }
            catch (SocketException)
            {
                // An answer that nobody wanted.
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task CarryDatagramsAsync(Bound bound, IPEndPoint sender, byte[] first)
    {
        try
        {
            PlainOpening opening = await OpenAsync(bound).ConfigureAwait(false);
            if (opening.Port is not { } port)
            {
                return;
            }

            using DatagramPort datagrams = new(port, time);
            using CancellationTokenRegistration stop = bound.Stop.Token.Register(datagrams.Abort);
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
                socket.Bind(new IPEndPoint(IPAddress.Loopback, bound.Port));
                await socket.ConnectAsync(sender).ConfigureAwait(false);
            }
            catch (SocketException)
            {
                socket.Dispose();
                return;
            }

            port.Relay.TrySendData(port.Reference, first);
            await datagrams.RunAsync(socket).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Taken back.
        }
        finally
        {
            bound.Senders.TryRemove(sender, out _);
            Interlocked.Decrement(ref bound.Connections);
        }
    }

    private async Task<PlainOpening> OpenAsync(Bound bound)
    {
        using CancellationTokenSource limit = new(OpenTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, bound.Stop.Token);
        BindDefinition bind = bound.Bind;
        PortName name = new(bind.Protocol, bind.Port);
        PlainOpening opening = await resolve(bind.To, either.Token).ConfigureAwait(false) is { } device
            ? await opener.OpenAsync(
                device,
                bind.Protocol == PortProtocol.Tcp ? [name, name with { IsLegacy = true }] : [name],
                either.Token).ConfigureAwait(false)
            : new PlainOpening(null, name, "no device is called so", IsRefusal: false);
        bound.Problem = opening.Port is null ? $"last connection: {opening.Reason}" : null;
        return opening;
    }

    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    private void Run(Func<Task> work)
    {
        Task task = Task.Run(async () =>
        {
            try
            {
                await work().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Nothing that one connection does may end the process.
                Log.PlainFailed(logger, e, "a bound port");
            }
        });
        lock (_gate)
        {
            _work.Add(task);
        }

        _ = task.ContinueWith(
            done =>
            {
                lock (_gate)
                {
                    _work.Remove(done);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private sealed class Bound(BindDefinition bind)
    {
        public int Connections;

        public BindDefinition Bind { get; } = bind;

        public int Port { get; set; }

        public string? Problem { get; set; }

        public Socket? Listener { get; set; }

        public CancellationTokenSource Stop { get; } = new();

        public System.Collections.Concurrent.ConcurrentDictionary<IPEndPoint, byte> Senders { get; } = new();
    }
}

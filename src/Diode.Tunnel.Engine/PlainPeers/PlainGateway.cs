using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Platform.Tun;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Reaches plain Diode devices by their virtual addresses: packets of this machine become ports. TCP by <see cref="StackTranslator"/> and
/// local listeners, UDP by datagrams inside a port. Nothing is answered before the port at the device is open and its key proven, so
/// programs see "refused" and "unreachable" as they are. Lives as long as the adapter.
/// </summary>
/// <remarks>
/// The listeners are on this device's virtual addresses with ports of the system's choice; a connection that belongs to no flow is reset.
/// Nothing here leaves the machine except inside a relay session.
/// </remarks>
internal sealed partial class PlainGateway : IAsyncDisposable
{
    private const int MaxTcpFlows = 4096;
    private const int MaxOpening = 256;

    /// <summary>How long the kernel has to complete a connection whose SYN was released.</summary>
    private static readonly TimeSpan AcceptTimeout = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan ExpiryInterval = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait for a port (the relay itself gives up after 35 s).</summary>
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(45);

    private readonly ITunAdapter _adapter;
    private readonly PlainOpener _opener;
    private readonly TlsIdentity _identity;
    private readonly TlsSessionCache _sessions;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly EngineClock _clock;
    private readonly StackTranslator _stack = new(MaxTcpFlows);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _workGate = new();
    private readonly HashSet<Task> _work = [];
    private readonly (IPAddress Address, Socket? Socket)[] _listeners;
    private int _ipv4Port;
    private int _ipv6Port;
    private int _opening;
    private long _lastExpiry;
    private long _dropped;

    /// <summary>Prepares it; nothing listens before <see cref="Tick"/>.</summary>
    /// <param name="adapter">Where packets go back to the system. Borrowed.</param>
    /// <param name="own">This device's virtual addresses on this machine.</param>
    /// <param name="opener">Opens ports.</param>
    /// <param name="identity">This device for TLS. Borrowed.</param>
    /// <param name="sessions">TLS sessions to resume. Borrowed.</param>
    /// <param name="logger">Log.</param>
    /// <param name="time">Clock.</param>
    public PlainGateway(
        ITunAdapter adapter,
        IReadOnlyList<IPAddress> own,
        PlainOpener opener,
        TlsIdentity identity,
        TlsSessionCache sessions,
        ILogger logger,
        TimeProvider time)
    {
        _adapter = adapter;
        _opener = opener;
        _identity = identity;
        _sessions = sessions;
        _logger = logger;
        _time = time;
        _clock = new EngineClock(time);
        _listeners = [.. own.Select(static a => (a, (Socket?)null))];
    }

    /// <summary>TCP connections in the table.</summary>
    public int TcpFlows => _stack.Count;

    /// <summary>Packets to plain devices that nobody could take.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Takes a packet of this machine to a plain device. Reader thread; the source is this device's own address.</summary>
    public void Take(PacketBuffer buffer, in IpPacket packet, PlainTarget target)
    {
        if (packet.IsFragment || !packet.HasPorts)
        {
            if (packet.Icmp is IcmpKind.EchoRequest or IcmpKind.None)
            {
                Unreachable(buffer.Span, packet, UnreachableReason.AdministrativelyProhibited);
            }

            Interlocked.Increment(ref _dropped);
        }
        else if (packet.Protocol == IpProtocol.Udp)
        {
            TakeUdp(buffer, packet, target);
        }
        else
        {
            TakeTcp(buffer, packet, target);
        }
    }

    /// <summary>Starts listeners that could not start yet, ends what is silent. Engine loop.</summary>
    public void Tick()
    {
        for (int i = 0; i < _listeners.Length; i++)
        {
            if (_listeners[i].Socket is null)
            {
                _listeners[i].Socket = TryListen(_listeners[i].Address);
            }
        }

        if (_clock.Now - _lastExpiry > ExpiryInterval.Ticks)
        {
            _lastExpiry = _clock.Now;
            foreach (StackFlow idle in _stack.Expire(_lastExpiry))
            {
                idle.Abort?.Invoke();
            }
        }
    }

    /// <summary>A device is no longer reached this way: its connections end.</summary>
    public void Forget(PlainTarget target)
    {
        foreach (StackFlow flow in _stack.Living().Where(f => ReferenceEquals(f.Target, target)))
        {
            flow.Abort?.Invoke();
        }

        ForgetUdp(target);
    }

    /// <summary>Ends every connection and waits for them.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        foreach ((_, Socket? socket) in _listeners)
        {
            socket?.Dispose();
        }

        foreach (StackFlow flow in _stack.Living())
        {
            flow.Abort?.Invoke();
        }

        AbortUdp();
        Task[] work;
        lock (_workGate)
        {
            work = [.. _work];
        }

        await Task.WhenAll(work).ConfigureAwait(false);
        _stop.Dispose();
    }

    private Socket? TryListen(IPAddress address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(address, 0));
            socket.Listen(MaxOpening);
            int port = ((IPEndPoint)socket.LocalEndPoint!).Port;
            Volatile.Write(ref address.AddressFamily == AddressFamily.InterNetwork ? ref _ipv4Port : ref _ipv6Port, port);
            Run(() => AcceptAsync(socket));
            return socket;
        }
        catch (SocketException)
        {
            // The address is not usable yet (duplicate address detection): the next tick tries again.
            socket.Dispose();
            return null;
        }
    }

    private ushort ListenPort(bool isIpv4)
    {
        return (ushort)Volatile.Read(ref isIpv4 ? ref _ipv4Port : ref _ipv6Port);
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                IPEndPoint remote = (IPEndPoint)socket.RemoteEndPoint!;
                StackFlow? flow = _stack.FindAccepted(PacketAddress.From(remote.Address), (ushort)remote.Port);
                if (flow is null || !flow.Accepted.TrySetResult(socket))
                {
                    socket.LingerState = new LingerOption(true, 0);
                    socket.Dispose();
                }
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

    private void TakeTcp(PacketBuffer buffer, in IpPacket packet, PlainTarget target)
    {
        ushort listenPort = ListenPort(packet.IsIpv4);
        if (listenPort == 0)
        {
            Interlocked.Increment(ref _dropped);
            return;
        }

        switch (_stack.Translate(buffer.Span, packet, listenPort, _clock.Now, out StackFlow? flow))
        {
            case StackVerdict.Write:
                _adapter.Write(buffer.Span[..packet.TotalLength]);
                break;
            case StackVerdict.Open when Interlocked.Increment(ref _opening) > MaxOpening:
                Interlocked.Decrement(ref _opening);
                _stack.Remove(flow!);
                Interlocked.Increment(ref _dropped);
                break;
            case StackVerdict.Open:
                flow!.Target = target;
                Run(() => OpenTcpAsync(flow!, target));
                break;
            case StackVerdict.Reset:
                Reset(buffer.Span, packet);
                break;
            case StackVerdict.Wait:
                break;
            default:
                Interlocked.Increment(ref _dropped);
                break;
        }
    }

    /// <summary>The life of one TCP connection.</summary>
    private async Task OpenTcpAsync(StackFlow flow, PlainTarget target)
    {
        PortStream? stream = null;
        bool counted = true;
        try
        {
            using CancellationTokenSource limit = new(OpenTimeout, _time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
            flow.Abort = () => CancelIfAlive(either);
            PlainOpening opening = await OpenAsync(
                target, PlainOpener.NamesForTcp(flow.Key.RemotePort, target.AllowsClearText), either.Token).ConfigureAwait(false);
            if (opening.Port is not { } port)
            {
                Refuse(flow, opening.IsRefusal);
                return;
            }

            stream = new PortStream(port, opening.Name.Protocol == PortProtocol.Tls ? _identity : null, _sessions, _time);
            flow.Abort = stream.Abort;
            if (await stream.HandshakeAsync().ConfigureAwait(false) is { } problem)
            {
                target.LastProblem = $"port {flow.Key.RemotePort}: {problem}";
                Refuse(flow, isRefusal: true);
                return;
            }

            Interlocked.Decrement(ref _opening);
            counted = false;
            ReleaseSyn(flow);
            Socket socket = await flow.Accepted.Task.WaitAsync(AcceptTimeout, _time, _stop.Token).ConfigureAwait(false);
            UnderlaySocket.SetKeepAlive(socket);
            socket.NoDelay = true;
            await stream.RunAsync(socket).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or TimeoutException)
        {
            if (flow.State == StackFlowState.Opening)
            {
                target.LastProblem = $"port {flow.Key.RemotePort}: no answer";
                Refuse(flow, isRefusal: false);
            }
            else if (!flow.Accepted.TrySetCanceled())
            {
                (await flow.Accepted.Task.ConfigureAwait(false)).Dispose();
            }
        }
        finally
        {
            if (counted)
            {
                Interlocked.Decrement(ref _opening);
            }

            flow.Abort = null;
            if (stream is not null)
            {
                target.Count(stream.Received, stream.Sent);
                stream.Dispose();
            }

            if (flow.State == StackFlowState.Open)
            {
                _stack.Close(flow, _clock.Now);
            }
            else
            {
                _stack.Remove(flow);
            }
        }
    }

    private async Task<PlainOpening> OpenAsync(PlainTarget target, PortName[] names, CancellationToken cancellation)
    {
        PlainOpening opening = await _opener.OpenAsync(target.Device, names, cancellation).ConfigureAwait(false);
        if (opening.Port is { } port)
        {
            target.Via = port.Relay.Uri.ToString();
            target.LastProblem = "";
        }
        else
        {
            target.LastProblem = $"{names[0]}: {opening.Reason}";
        }

        return opening;
    }

    private void ReleaseSyn(StackFlow flow)
    {
        ReadOnlySpan<byte> syn = _stack.Release(flow, ListenPort(flow.Key.Local.IsIpv4), _clock.Now);
        if (!syn.IsEmpty)
        {
            _adapter.Write(syn);
        }
    }

    /// <summary>Refused by the device: reset. Not reachable: ICMP.</summary>
    private void Refuse(StackFlow flow, bool isRefusal)
    {
        _stack.Remove(flow);
        if (!IpPacket.TryParse(flow.Syn, out IpPacket packet))
        {
            return;
        }

        Span<byte> reply = stackalloc byte[IcmpReply.MaxLength];
        int length = isRefusal
            ? TcpReset.Write(flow.Syn, packet, reply)
            : IcmpReply.WriteUnreachable(flow.Syn, packet, packet.Destination, UnreachableReason.Host, reply);
        if (length > 0)
        {
            _adapter.Write(reply[..length]);
        }
    }

    private static void CancelIfAlive(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Over already.
        }
    }

    private void Reset(ReadOnlySpan<byte> original, in IpPacket packet)
    {
        Span<byte> reply = stackalloc byte[TcpReset.MaxLength];
        int length = TcpReset.Write(original, packet, reply);
        if (length > 0)
        {
            _adapter.Write(reply[..length]);
        }
    }

    private void Unreachable(ReadOnlySpan<byte> original, in IpPacket packet, UnreachableReason reason)
    {
        Span<byte> reply = stackalloc byte[IcmpReply.MaxLength];
        int length = IcmpReply.WriteUnreachable(original, packet, packet.Destination, reason, reply);
        if (length > 0)
        {
            _adapter.Write(reply[..length]);
        }
    }

    /// <summary>Runs work that <see cref="DisposeAsync"/> waits for.</summary>
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
                Log.PlainFailed(_logger, e, "a plain Diode device");
            }
        });
        lock (_workGate)
        {
            _work.Add(task);
        }

        _ = task.ContinueWith(
            done =>
            {
                lock (_workGate)
                {
                    _work.Remove(done);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}

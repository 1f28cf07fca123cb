using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Ports that plain Diode devices open here: decides (diode-edge §3.6 "Acceptor policy"), connects to the local service, answers,
/// carries. Thread-safe.
/// </summary>
internal sealed class PlainServer(TlsIdentity identity, TlsSessionCache sessions, ILogger logger, TimeProvider time, int maxPorts)
{
    /// <summary>Longest wait for a local service.</summary>
    public static readonly TimeSpan DialTimeout = TimeSpan.FromSeconds(15);

    private const int MaxOpeningPerDevice = 32;
    private const int MaxTotal = 1024;

    private readonly ConnectionAttempts _attempts = new(MaxOpeningPerDevice, maxPorts, MaxTotal);
    private readonly Lock _gate = new();
    private readonly HashSet<ActivePort> _active = [];
    private PublishedPorts _ports = PublishedPorts.Nothing;
    private long _accepted;
    private long _refused;

    /// <summary>Ports open now.</summary>
    public int OpenPorts
    {
        get
        {
            lock (_gate)
            {
                return _active.Count;
            }
        }
    }

    /// <summary>Ports accepted so far.</summary>
    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Ports refused so far.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Puts what is published in force; open ports that it does not allow are cut.</summary>
    public void Publish(PublishedPorts ports)
    {
        Volatile.Write(ref _ports, ports);
        ActivePort[] cut;
        lock (_gate)
        {
            cut = [.. _active.Where(a => ports.Decide(a.Source, a.Name) is not { Refusal: null } now || now.Host != a.Host || now.Port != a.Port)];
        }

        foreach (ActivePort port in cut)
        {
            port.Abort();
        }
    }

    /// <summary>Answers a request to open a port.</summary>
    public void Handle(RelayConnection relay, RelayPortRequest request)
    {
        if (!PortName.TryRead(request.Incoming.Name.Span, out PortName name))
        {
            Refuse(relay, request, "not supported port format: " + request.Name);
            return;
        }

        PortDecision decision = Volatile.Read(ref _ports).Decide(request.Source, name);
        if (decision.Refusal is { } refusal)
        {
            Refuse(relay, request, refusal);
        }
        else if (!_attempts.TryBegin(request.Source))
        {
            Refuse(relay, request, $"too many connection attempts to device {PublishedPorts.Hex(request.Source)}");
        }
        else
        {
            _ = ServeAsync(relay, request, name, decision);
        }
    }

    private async Task ServeAsync(RelayConnection relay, RelayPortRequest request, PortName name, PortDecision target)
    {
        bool opened = false;
        try
        {
            (Socket? socket, string problem) = await DialAsync(name, target).ConfigureAwait(false);
            if (socket is null)
            {
                Refuse(relay, request, problem);
                return;
            }

            if (relay.Accept(request, RelayPortUse.Stream) is not { } port)
            {
                // Gone meanwhile, or a relay that uses one reference twice.
                socket.Dispose();
                Refuse(relay, request, $"port already open for device {PublishedPorts.Hex(request.Source)} ref {request.Incoming.Port}");
                return;
            }

            opened = true;
            _attempts.Opened(request.Source);
            Interlocked.Increment(ref _accepted);
            string reason = await CarryAsync(port, socket, name, target).ConfigureAwait(false);
            Log.PlainClosed(logger, request.Source.ToString(), name.ToString(), reason);
        }
        catch (Exception e)
        {
            // Nothing that one port does may end the process.
            Log.PlainFailed(logger, e, request.Source.ToString());
        }
        finally
        {
            _attempts.End(request.Source, opened);
        }
    }

    private async Task<string> CarryAsync(RelayPort port, Socket socket, PortName name, PortDecision target)
    {
        if (name.Protocol == PortProtocol.Udp)
        {
            using DatagramPort datagrams = new(port, time);
            using Registration udp = Register(port, name, target, datagrams.Abort);
            await datagrams.RunAsync(socket).ConfigureAwait(false);
            return "closed";
        }

        using PortStream stream = new(port, name.Protocol == PortProtocol.Tls ? identity : null, sessions, time);
        using Registration tcp = Register(port, name, target, stream.Abort);
        if (await stream.HandshakeAsync().ConfigureAwait(false) is { } problem)
        {
            socket.Dispose();
            return problem;
        }

        await stream.RunAsync(socket).ConfigureAwait(false);
        return "closed";
    }

    private async Task<(Socket? Socket, string Problem)> DialAsync(PortName name, PortDecision target)
    {
        bool isUdp = name.Protocol == PortProtocol.Udp;
        using CancellationTokenSource late = new(DialTimeout, time);
        string problem = "no such host";
        try
        {
            foreach (IPAddress address in await ResolveAsync(target.Host, late.Token).ConfigureAwait(false))
            {
                Socket socket = isUdp
                    ? new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
                    : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(new IPEndPoint(address, target.Port), late.Token).ConfigureAwait(false);
                    if (!isUdp)
                    {
                        UnderlaySocket.SetKeepAlive(socket);
                    }

                    return (socket, "");
                }
                catch (SocketException e)
                {
                    socket.Dispose();
                    problem = e.SocketErrorCode == SocketError.ConnectionRefused ? "connection refused" : e.Message;
                }
                catch (OperationCanceledException)
                {
                    socket.Dispose();
                    throw;
                }
            }
        }
        catch (OperationCanceledException)
        {
            problem = "i/o timeout";
        }
        catch (SocketException e)
        {
            problem = e.Message;
        }

        string network = isUdp ? "udp" : "tcp";
        return (null, string.Create(CultureInfo.InvariantCulture, $"dial {network} {target.Host}:{target.Port}: {problem}"));
    }

    /// <summary>localhost needs no name service, which may be closed by a kill switch.</summary>
    private static async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellation)
    {
        return host == PortMapping.LocalHost ? [IPAddress.Loopback, IPAddress.IPv6Loopback]
            : IPAddress.TryParse(host, out IPAddress? address) ? [address]
            : await Dns.GetHostAddressesAsync(host, cancellation).ConfigureAwait(false);
    }

    private void Refuse(RelayConnection relay, RelayPortRequest request, string reason)
    {
        Interlocked.Increment(ref _refused);
        relay.Reject(request, reason);
        Log.PlainRefused(logger, request.Source.ToString(), request.Name, reason);
    }

    private Registration Register(RelayPort port, PortName name, PortDecision target, Action abort)
    {
        ActivePort active = new(port.Device, name, target.Host, target.Port, abort);
        lock (_gate)
        {
            _active.Add(active);
        }

        // What was taken back between the decision and now.
        if (Volatile.Read(ref _ports).Decide(port.Device, name).Refusal is not null)
        {
            abort();
        }

        return new Registration(this, active);
    }

    private sealed class ActivePort(Address source, PortName name, string host, ushort port, Action abort)
    {
        public Address Source { get; } = source;

        public PortName Name { get; } = name;

        public string Host { get; } = host;

        public ushort Port { get; } = port;

        public Action Abort { get; } = abort;
    }

    private readonly struct Registration(PlainServer server, ActivePort active) : IDisposable
    {
        public void Dispose()
        {
            lock (server._gate)
            {
                server._active.Remove(active);
            }
        }
    }
}

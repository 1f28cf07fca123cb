using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Relay.Datagrams;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>
/// Sockets of the <see cref="TurnServer"/>: one port for clients with a thread of its own, and one port per allocation.
/// </summary>
internal sealed class TurnHost : ITurnOutput, IDisposable
{
    private const int LongestDatagram = 65_535;
    private const int SendTimeoutMs = 20;
    private const int EvenPortAttempts = 16;
    private const long RefreshIntervalMs = 30_000;

    private readonly RelayCore _relay;
    private readonly Socket _socket;
    private readonly IPAddress _bind;
    private readonly Thread _thread;
    private readonly bool _isStunOnly;
    private long _refreshedMs;
    private volatile bool _stopped;

    /// <summary>Binds the port; nobody is served before <see cref="Start"/>.</summary>
    /// <exception cref="PlatformException">The port cannot be used.</exception>
    public TurnHost(RelayCore relay, RelayClock clock, TurnOptions options, string host, IPAddress bind, ILogger logger)
    {
        _relay = relay;
        _bind = bind.AddressFamily == AddressFamily.InterNetwork ? bind : IPAddress.Any;
        _socket = UdpBinding.Bind(bind, options.Port, "--turn-listen");
        _socket.SendTimeout = SendTimeoutMs;
        int port = ((IPEndPoint)_socket.LocalEndPoint!).Port;
        IPAddress external = options.ExternalAddress ?? FindExternal(host, _bind);
        Server = new TurnServer(relay, clock, options with { Port = port }, host, external, this);
        Server.SetOwnAddresses(OwnAddresses());
        _thread = new Thread(ReceiveLoop) { Name = "turn", IsBackground = true };
        _isStunOnly = options.IsStunOnly;
        Log.TurnUp(logger, options.IsStunOnly ? "STUN" : "TURN and STUN", port);
    }

    public TurnServer Server { get; }

    /// <summary>Begins to serve.</summary>
    public void Start()
    {
        // Without credentials there are no allocations; bindings need none.
        Server.Enabled = !_isStunOnly;
        _relay.AnnounceFeatures();
        _thread.Start();
    }

    /// <summary>A few times a second.</summary>
    public void Tick(long nowMs)
    {
        Server.Tick(nowMs);
        if (Math.Abs(nowMs - _refreshedMs) >= RefreshIntervalMs)
        {
            _refreshedMs = nowMs;
            Server.SetOwnAddresses(OwnAddresses());
        }
    }

    /// <inheritdoc/>
    public void SendToClient(UdpRemote client, ReadOnlySpan<byte> datagram)
    {
        try
        {
            _socket.SendTo(datagram, SocketFlags.None, client.Address);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            _relay.Counters.TurnDrop();
        }
    }

    /// <inheritdoc/>
    public ITurnRelay? TryBind(TurnAllocation allocation, bool evenPort)
    {
        for (int i = 0; i < EvenPortAttempts; i++)
        {
            Socket? socket = null;
            try
            {
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                socket.Bind(new IPEndPoint(_bind, 0));
                if (!evenPort || ((IPEndPoint)socket.LocalEndPoint!).Port % 2 == 0)
                {
                    return new TurnRelaySocket(socket, allocation, Server, _relay.Counters);
                }
            }
            catch (SocketException)
            {
                // No descriptor or no port left.
                socket?.Dispose();
                return null;
            }

            socket.Dispose();
        }

        return null;
    }

    /// <summary>Ends all allocations.</summary>
    public void Dispose()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        Server.Close();
        _socket.Dispose();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    private void ReceiveLoop()
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(LongestDatagram, pinned: true);
        var source = new SocketAddress(_socket.AddressFamily);
        var remotes = new UdpRemoteTable();
        while (!_stopped)
        {
            int length;
            try
            {
                length = _socket.ReceiveFrom(buffer, SocketFlags.None, source);
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                // Errors that a datagram sent earlier caused arrive here too.
                continue;
            }

            Server.ReceiveFromClient(buffer.AsSpan(0, length), remotes.Find(source));
        }
    }

    private static IPAddress FindExternal(string host, IPAddress bind)
    {
        if (IPAddress.TryParse(host, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetwork)
        {
            return address;
        }

        if (!bind.Equals(IPAddress.Any))
        {
            return bind;
        }

        try
        {
            IPAddress? resolved = address is null
                ? Dns.GetHostAddresses(host, AddressFamily.InterNetwork).FirstOrDefault()
                : null;
            if (resolved is not null)
            {
                return resolved;
            }
        }
        catch (SocketException)
        {
            // The name is not known here.
        }

        return OwnAddresses().FirstOrDefault(static own => own.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(own))
            ?? IPAddress.Loopback;
    }

    private static IEnumerable<IPAddress> OwnAddresses() => NetworkInterface.GetAllNetworkInterfaces()
        .SelectMany(static link => link.GetIPProperties().UnicastAddresses)
        .Select(static unicast => unicast.Address);
}

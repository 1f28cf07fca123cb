using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>
/// Keeps a UDP port open at the gateway: PCP and NAT-PMP are asked at once, then UPnP. Runs in the background; a gateway that lies, floods
/// or is silent costs a few bounded seconds now and then. The port is renewed at half its time and given back at the end.
/// </summary>
internal sealed class PortMapper : IAsyncDisposable
{
    private const int LongestAnswer = 1100;
    private const int MaxAnswers = 16;
    private static readonly TimeSpan[] Waits = [TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(1)];
    private static readonly TimeSpan RetryWithout = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    private readonly ushort _port;
    private readonly Func<(IPAddress Gateway, IPAddress Client)?> _findGateway;
    private readonly Action<PortMappingLease?> _changed;
    private readonly TimeProvider _time;
    private readonly int _gatewayPort;
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(PcpMessage.NonceLength);
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _again = new(0, 1);
    private UpnpClient? _upnp;
    private (IPAddress Gateway, IPAddress Client)? _place;
    private Task? _running;

    /// <param name="port">This device's UDP port.</param>
    /// <param name="findGateway">Where the default route leads, and this device's address towards it; null: nowhere.</param>
    /// <param name="changed">Hears of the port, and of its loss (null); on a thread of the pool.</param>
    /// <param name="time">The clock.</param>
    /// <param name="gatewayPort">Where gateways listen; another in tests.</param>
    public PortMapper(
        int port,
        Func<(IPAddress Gateway, IPAddress Client)?> findGateway,
        Action<PortMappingLease?> changed,
        TimeProvider time,
        int gatewayPort = NatPmpMessage.Port)
    {
        _port = (ushort)port;
        _findGateway = findGateway;
        _changed = changed;
        _time = time;
        _gatewayPort = gatewayPort;
    }

    /// <summary>The port in force; null if there is none.</summary>
    public PortMappingLease? Lease { get; private set; }

    /// <summary>Begins to ask.</summary>
    public void Start()
    {
        _running = Task.Run(RunAsync);
    }

    /// <summary>The network has changed: the gateway may be another.</summary>
    public void Restart()
    {
        try
        {
            _again.Release();
        }
        catch (SemaphoreFullException)
        {
            // It will look anyway.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_running is not null)
        {
            await _running.ConfigureAwait(false);
        }

        using CancellationTokenSource limit = new(Farewell);
        try
        {
            await GiveBackAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // It ends by its lifetime.
        }

        _upnp?.Dispose();
        _stop.Dispose();
        _again.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                PortMappingLease? lease = await AskAsync(_stop.Token).ConfigureAwait(false);
                if (lease?.External != Lease?.External)
                {
                    Lease = lease;
                    _changed(lease);
                }

                Lease = lease;
                await _again.WaitAsync(lease is null ? RetryWithout : lease.Lifetime / 2, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task<PortMappingLease?> AskAsync(CancellationToken cancellation)
    {
        (IPAddress Gateway, IPAddress Client)? place = _findGateway();
        if (place != _place)
        {
            _place = place;
            _upnp?.Dispose();
            _upnp = null;
        }

        if (place is not { } at)
        {
            return null;
        }

        return await AskByDatagramsAsync(at.Gateway, at.Client, cancellation).ConfigureAwait(false)
            ?? await (_upnp ??= new UpnpClient(at.Gateway, at.Client)).MapAsync(_port, cancellation).ConfigureAwait(false);
    }

    private async Task<PortMappingLease?> AskByDatagramsAsync(IPAddress gateway, IPAddress client, CancellationToken cancellation)
    {
        uint seconds = (uint)PortMappingLease.Asked.TotalSeconds;
        EndpointAddress.TryFrom(new IPEndPoint(client, 0), out EndpointAddress own);
        try
        {
            using Socket socket = UnderlaySocket.CreateUdp(gateway.AddressFamily);
            await socket.ConnectAsync(new IPEndPoint(gateway, _gatewayPort), cancellation).ConfigureAwait(false);
            Answers answers = new();
            foreach (TimeSpan wait in Waits)
            {
                await socket.SendAsync(PcpMessage.MakeMapRequest(own, _port, seconds, _nonce), cancellation).ConfigureAwait(false);
                await socket.SendAsync(NatPmpMessage.MakeAddressRequest(), cancellation).ConfigureAwait(false);
                await socket.SendAsync(NatPmpMessage.MakeMapRequest(_port, seconds), cancellation).ConfigureAwait(false);
                if (await ListenAsync(socket, answers, wait, cancellation).ConfigureAwait(false) is { } lease)
                {
                    return lease;
                }
            }
        }
        catch (Exception e) when (e is SocketException or PlatformException)
        {
            // Refused: it does not speak either.
        }

        return null;
    }

    private async Task<PortMappingLease?> ListenAsync(Socket socket, Answers answers, TimeSpan wait, CancellationToken cancellation)
    {
        byte[] buffer = new byte[LongestAnswer];
        using CancellationTokenSource limit = new(wait, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token);
        try
        {
            for (int i = 0; i < MaxAnswers; i++)
            {
                int length = await socket.ReceiveAsync(buffer, either.Token).ConfigureAwait(false);
                if (answers.Take(buffer.AsSpan(0, length), _port, _nonce) is { } lease)
                {
                    return lease;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Next attempt.
        }

        return null;
    }

    private async Task GiveBackAsync(CancellationToken cancellation)
    {
        if (Lease is not { } lease || _place is not { } at)
        {
            return;
        }

        if (_upnp is not null && lease.Protocol == "UPnP")
        {
            await _upnp.UnmapAsync(_port, cancellation).ConfigureAwait(false);
            return;
        }

        try
        {
            EndpointAddress.TryFrom(new IPEndPoint(at.Client, 0), out EndpointAddress own);
            using Socket socket = UnderlaySocket.CreateUdp(at.Gateway.AddressFamily);
            await socket.ConnectAsync(new IPEndPoint(at.Gateway, _gatewayPort), cancellation).ConfigureAwait(false);

            // Both were asked, and both may have made it.
            await socket.SendAsync(PcpMessage.MakeMapRequest(own, _port, 0, _nonce), cancellation).ConfigureAwait(false);
            await socket.SendAsync(NatPmpMessage.MakeMapRequest(_port, 0), cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or PlatformException)
        {
            // It ends by its lifetime.
        }
    }

    /// <summary>NAT-PMP answers in two parts.</summary>
    private sealed class Answers
    {
        private EndpointAddress _address;
        private ushort _external;
        private uint _seconds;

        public PortMappingLease? Take(ReadOnlySpan<byte> datagram, ushort port, ReadOnlySpan<byte> nonce)
        {
            if (PcpMessage.TryReadMapping(datagram, port, nonce, out EndpointAddress mapped, out uint seconds))
            {
                return new PortMappingLease("PCP", mapped, PortMappingLease.Bound(seconds));
            }

            if (NatPmpMessage.TryReadAddress(datagram, out EndpointAddress address))
            {
                _address = address;
            }
            else if (NatPmpMessage.TryReadMapping(datagram, port, out ushort external, out seconds))
            {
                (_external, _seconds) = (external, seconds);
            }

            return _address.IsSet && _external != 0
                ? new PortMappingLease("NAT-PMP", _address.WithPort(_external), PortMappingLease.Bound(_seconds))
                : null;
        }
    }
}

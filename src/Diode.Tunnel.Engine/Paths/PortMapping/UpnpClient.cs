using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>Asks a gateway for a UDP port by UPnP IGD. Every step is bounded in time and length; speaks to the gateway only.</summary>
internal sealed class UpnpClient : IDisposable
{
    private const int SsdpPort = 1900;
    private const int MaxAnswers = 8;
    private static readonly TimeSpan SearchTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CallTime = TimeSpan.FromSeconds(3);

    private readonly IPAddress _gateway;
    private readonly IPAddress _client;
    private readonly HttpClient _http;
    private (string Service, Uri Control)? _service;

    /// <param name="gateway">The gateway.</param>
    /// <param name="client">This device's address towards it.</param>
    public UpnpClient(IPAddress gateway, IPAddress client)
    {
        _gateway = gateway;
        _client = client;
        SocketsHttpHandler handler = new()
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            MaxResponseHeadersLength = 16,
            ConnectCallback = ConnectAsync,
        };
        _http = new HttpClient(handler) { Timeout = CallTime, MaxResponseContentBufferSize = UpnpDocument.MaxLength };
    }

    /// <summary>Gets or renews a port; null if the gateway gives none.</summary>
    public async Task<PortMappingLease?> MapAsync(int port, CancellationToken cancellation)
    {
        uint seconds = (uint)PortMappingLease.Asked.TotalSeconds;
        if ((_service ??= await FindAsync(cancellation).ConfigureAwait(false)) is not { } found)
        {
            return null;
        }

        string? mapped = await CallAsync("AddPortMapping", UpnpDocument.MakeMapRequest(found.Service, _client, port, seconds), cancellation)
            .ConfigureAwait(false);

        // Some gateways know permanent mappings only; ours is given back at the end.
        mapped ??= await CallAsync("AddPortMapping", UpnpDocument.MakeMapRequest(found.Service, _client, port, 0), cancellation)
            .ConfigureAwait(false);
        if (mapped is null
            || await CallAsync("GetExternalIPAddress", UpnpDocument.MakeAddressRequest(found.Service), cancellation).ConfigureAwait(false)
                is not { } answer
            || UpnpDocument.ReadAddress(answer) is not { } external
            || !EndpointAddress.TryFrom(new IPEndPoint(external, port), out EndpointAddress endpoint))
        {
            return null;
        }

        return new PortMappingLease("UPnP", endpoint, PortMappingLease.Bound(seconds));
    }

    /// <summary>Gives a port back.</summary>
    public async Task UnmapAsync(int port, CancellationToken cancellation)
    {
        if (_service is { } found)
        {
            await CallAsync("DeletePortMapping", UpnpDocument.MakeUnmapRequest(found.Service, port), cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        IPEndPoint endpoint = new(IPAddress.Parse(context.DnsEndPoint.Host), context.DnsEndPoint.Port);
        Socket socket = UnderlaySocket.CreateTcp(endpoint.AddressFamily);
        try
        {
            await socket.ConnectAsync(endpoint, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<(string Service, Uri Control)?> FindAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(SearchTime);
        byte[] buffer = new byte[2048];
        try
        {
            using Socket socket = UnderlaySocket.CreateUdp(AddressFamily.InterNetwork);
            socket.Bind(new IPEndPoint(_client, 0));
            byte[] search = Encoding.ASCII.GetBytes(UpnpDocument.Search);

            // To the group as the standard says, and to the gateway itself: nobody else is of interest.
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, _client.GetAddressBytes());
            await socket.SendToAsync(search, new IPEndPoint(IPAddress.Parse("239.255.255.250"), SsdpPort), limit.Token).ConfigureAwait(false);
            await socket.SendToAsync(search, new IPEndPoint(_gateway, SsdpPort), limit.Token).ConfigureAwait(false);
            for (int i = 0; i < MaxAnswers; i++)
            {
                SocketReceiveFromResult received = await socket
                    .ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), limit.Token).ConfigureAwait(false);
                if (received.RemoteEndPoint is IPEndPoint source
                    && source.Address.Equals(_gateway)
                    && UpnpDocument.ReadLocation(Encoding.ASCII.GetString(buffer, 0, received.ReceivedBytes), _gateway) is { } location)
                {
                    string description = await _http.GetStringAsync(location, cancellation).ConfigureAwait(false);
                    return UpnpDocument.ReadService(description, location, _gateway);
                }
            }
        }
        catch (Exception e) when (IsRefusal(e) && !cancellation.IsCancellationRequested)
        {
            // No such gateway.
        }

        return null;
    }

    private async Task<string?> CallAsync(string action, string body, CancellationToken cancellation)
    {
        (string service, Uri control) = _service!.Value;
        try
        {
            using StringContent content = new(body, Encoding.UTF8, "text/xml");
            using HttpRequestMessage request = new(HttpMethod.Post, control) { Content = content };
            request.Headers.TryAddWithoutValidation("SOAPAction", UpnpDocument.ActionOf(service, action));
            using HttpResponseMessage response = await _http.SendAsync(request, cancellation).ConfigureAwait(false);
            return response.IsSuccessStatusCode
                ? await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false)
                : null;
        }
        catch (Exception e) when (IsRefusal(e) && !cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static bool IsRefusal(Exception e)
    {
        return e is SocketException or HttpRequestException or OperationCanceledException or IOException
            or InvalidOperationException or Platform.PlatformException;
    }
}

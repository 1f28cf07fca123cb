using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Asks other relays for a client (<c>dio_proxy</c>, <c>dio_proxy2</c>). Thread-safe.</summary>
internal sealed class RpcProxy : IDisposable
{
    private const int MaxAnswer = 1 << 20;
    private const int MaxConcurrent = 32;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private static readonly HashSet<string> Allowed = new(StringComparer.Ordinal)
    {
        "dio_checkConnectivity", "dio_getObject", "dio_getNode", "dio_traffic", "dio_tickets", "dio_usage",
        "dio_usageHistory",
    };

    private readonly int _port;
    private readonly bool _allowsPrivate;
    private readonly SemaphoreSlim _slots = new(MaxConcurrent, MaxConcurrent);
    private readonly HttpClient _http;

    /// <param name="port">Where other relays serve this interface.</param>
    /// <param name="ownHost">Relays in private networks ask each other; a public one is not led into its own network.</param>
    public RpcProxy(int port, string ownHost)
    {
        _port = port;
        _allowsPrivate = IPAddress.TryParse(ownHost, out IPAddress? own) && !IsPublic(own);
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectCallback = ConnectAsync,
        })
        {
            Timeout = Timeout,
            MaxResponseContentBufferSize = MaxAnswer,
        };
    }

    /// <summary>Whether a method may be asked of another relay.</summary>
    public static bool IsAllowed(string method) => Allowed.Contains(method);

    /// <summary>Asks; the result of the other relay as it came, 502 when it cannot be had.</summary>
    public async ValueTask<RpcResult> AskAsync(
        ServerObject relay, string method, JsonElement[] parameters, bool isSigned, CancellationToken cancel)
    {
        if (!await _slots.WaitAsync(TimeSpan.Zero, cancel))
        {
            return RpcResult.Empty(502);
        }

        try
        {
            byte[] array = RpcJson.Write(writer =>
            {
                writer.WriteStartArray();
                foreach (JsonElement parameter in parameters)
                {
                    parameter.WriteTo(writer);
                }

                writer.WriteEndArray();
            });
            using var content = new ByteArrayContent(JsonRpcMessages.WriteRequest(1, method, array));
            content.Headers.ContentType = new("application/json");
            var target = new UriBuilder("http", relay.Host, _port).Uri;
            using HttpResponseMessage response = await _http.PostAsync(target, content, cancel);
            byte[] body = await response.Content.ReadAsByteArrayAsync(cancel);
            if (isSigned && !IsSignedBy(relay.Address, response, body))
            {
                return RpcResult.Empty(400);
            }

            using JsonDocument? document = EthereumJson.TryParse(body);
            return document is not null
                && document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("result", out JsonElement result)
                    ? RpcResult.From(Encoding.UTF8.GetBytes(result.GetRawText()))
                    : document is null ? RpcResult.Empty(502) : RpcResult.Done;
        }
        catch (Exception exception) when (
            (exception is OperationCanceledException && !cancel.IsCancellationRequested)
            || exception is HttpRequestException or IOException or UriFormatException)
        {
            return RpcResult.Empty(502);
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _slots.Dispose();
    }

    /// <summary>Whether the headers of an answer prove that this relay sent this body.</summary>
    private static bool IsSignedBy(Address relay, HttpResponseMessage response, byte[] body)
    {
        return response.Headers.TryGetValues("x-diode-sender", out IEnumerable<string>? senders)
            && response.Headers.TryGetValues("x-diode-signature", out IEnumerable<string>? signatures)
            && Address.TryParse(senders.First(), out Address sender)
            && sender == relay
            && EthereumJson.TryParseData(signatures.First(), out byte[]? bytes)
            && Signature65.TryFromBytes(bytes, out Signature65 signature)
            && signature.TryRecover(RpcIdentity.GetDigest(body), out PublicKey? key)
            && key.Address == relay;
    }

    // The host comes out of an object that anybody can sign: it is checked after its name was resolved.
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        IPAddress[] addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancel);
        IPAddress? address = addresses.FirstOrDefault(one => _allowsPrivate || IsPublic(one))
            ?? throw new HttpRequestException("the relay names an address of a private network");
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(address, context.DnsEndPoint.Port), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new HttpRequestException(exception.Message, exception);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        byte[] bytes = address.GetAddressBytes();
        return address.AddressFamily == AddressFamily.InterNetworkV6
            ? !IPAddress.IsLoopback(address)
                && !address.IsIPv6LinkLocal
                && !address.IsIPv6Multicast
                && (bytes[0] & 0xfe) != 0xfc
                && !address.Equals(IPAddress.IPv6Any)
            : bytes[0] is not (0 or 10 or 127 or >= 224)
                && !(bytes[0] == 172 && bytes[1] is >= 16 and < 32)
                && !(bytes[0] == 192 && bytes[1] == 168)
                && !(bytes[0] == 169 && bytes[1] == 254)
                && !(bytes[0] == 100 && bytes[1] is >= 64 and < 128);
    }
}

using System.Net;
using System.Net.Http.Headers;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>A JSON-RPC endpoint over HTTP. An endpoint that is silent, slow or talks too much is a failed one.</summary>
public sealed class HttpJsonRpcTransport : IJsonRpcTransport, IDisposable
{
    /// <summary>Longest body that is taken; blocks with all transactions are a few hundred kilobytes.</summary>
    public const int MaxBody = 8 << 20;

    private readonly Uri _endpoint;
    private readonly TimeSpan _timeout;
    private readonly HttpClient _http;

    /// <summary>Creates a transport; nothing is sent yet.</summary>
    /// <param name="endpoint">An http or https address.</param>
    /// <param name="timeout">For connecting, and for a whole answer.</param>
    public HttpJsonRpcTransport(Uri endpoint, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        _endpoint = endpoint;
        _timeout = timeout;

        // Keys of providers are part of the path: it stays out of logs.
        Name = endpoint.GetLeftPart(UriPartial.Authority);
        if (!string.IsNullOrEmpty(endpoint.UserInfo))
        {
            Name = $"{endpoint.Scheme}://{endpoint.Authority}";
        }

        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.GZip,
            ConnectTimeout = timeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public async ValueTask<JsonRpcTransportResult> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(_timeout);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _endpoint)
            {
                Content = new ReadOnlyMemoryContent(body)
                {
                    Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
                },
            };
            using HttpResponseMessage response = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, limit.Token);

            // Errors of JSON-RPC come with all kinds of status; the body decides, but a page of a proxy is none.
            return await ReadAsync(response, limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return JsonRpcTransportResult.Failed($"no answer within {_timeout.TotalSeconds:0.#} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidDataException)
        {
            return JsonRpcTransportResult.Failed(exception.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
    }

    private static async ValueTask<JsonRpcTransportResult> ReadAsync(
        HttpResponseMessage response, CancellationToken cancel)
    {
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancel);
        using var collected = new MemoryStream();
        byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, cancel)) > 0)
            {
                if (collected.Length + read > MaxBody)
                {
                    return JsonRpcTransportResult.Failed($"answer of more than {MaxBody} bytes");
                }

                await collected.WriteAsync(buffer.AsMemory(0, read), cancel);
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }

        byte[] body = collected.ToArray();
        return body.AsSpan().TrimStart(" \t\r\n"u8) is [(byte)'{', ..]
            ? JsonRpcTransportResult.From(body)
            : JsonRpcTransportResult.Failed($"status {(int)response.StatusCode} without a JSON-RPC answer");
    }
}

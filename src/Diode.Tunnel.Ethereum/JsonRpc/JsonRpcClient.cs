using System.Text;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>
/// Asks a chain through one or more endpoints. Each endpoint has to say that it is of this chain before it is asked
/// anything else, again after it failed. The endpoint that answered last is asked first. A bounded number of requests
/// is under way, a bounded number waits; more fail at once. Thread-safe; only cancellation throws.
/// </summary>
public sealed class JsonRpcClient : IDisposable
{
    // Limit exceeded: another endpoint may have some left.
    private static readonly byte[] LimitExceeded = Encoding.ASCII.GetBytes("-32005");

    private readonly ulong _chainId;
    private readonly Endpoint[] _endpoints;
    private readonly IJsonRpcEvents? _events;
    private readonly SemaphoreSlim _slots;
    private readonly int _mostWaiting;
    private int _waiting;
    private int _preferred;
    private long _lastId;

    /// <summary>Creates a client; nothing is sent before the first call.</summary>
    /// <param name="chainId">What <c>eth_chainId</c> must answer.</param>
    /// <param name="endpoints">In the order they are tried at first.</param>
    /// <param name="events">For a log.</param>
    /// <param name="mostConcurrent">Requests under way at once.</param>
    /// <param name="mostWaiting">Requests that wait for one of those to end.</param>
    public JsonRpcClient(
        ulong chainId,
        IReadOnlyList<IJsonRpcTransport> endpoints,
        IJsonRpcEvents? events = null,
        int mostConcurrent = 32,
        int mostWaiting = 512)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        _chainId = chainId;
        _endpoints = [.. endpoints.Select(transport => new Endpoint(transport))];
        _events = events;
        _slots = new SemaphoreSlim(mostConcurrent, mostConcurrent);
        _mostWaiting = mostWaiting;
    }

    /// <summary>Whether an endpoint has proved to be of this chain and has not failed since.</summary>
    public bool IsVerified => _endpoints.Any(endpoint => endpoint.State == EndpointState.Verified);

    /// <summary>Whether every endpoint is of another chain.</summary>
    public bool IsRefused => _endpoints.All(endpoint => endpoint.State == EndpointState.Refused);

    /// <summary>Sends a request.</summary>
    /// <param name="method">Name of the method.</param>
    /// <param name="parameters">The JSON text of an array.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was cancelled.</exception>
    public async ValueTask<JsonRpcReply> CallAsync(
        string method, ReadOnlyMemory<byte> parameters, CancellationToken cancel)
    {
        if (Interlocked.Increment(ref _waiting) > _mostWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            return JsonRpcReply.FromFailure("too many requests");
        }

        try
        {
            await _slots.WaitAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }

        try
        {
            return await CallAnyAsync(method, parameters, cancel).ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _slots.Dispose();
    }

    private async ValueTask<JsonRpcReply> CallAnyAsync(
        string method, ReadOnlyMemory<byte> parameters, CancellationToken cancel)
    {
        JsonRpcReply last = JsonRpcReply.FromFailure("no endpoint of this chain");
        int first = Volatile.Read(ref _preferred);
        for (int i = 0; i < _endpoints.Length; i++)
        {
            int index = (first + i) % _endpoints.Length;
            Endpoint endpoint = _endpoints[index];
            if (!await VerifyAsync(endpoint, cancel).ConfigureAwait(false))
            {
                continue;
            }

            JsonRpcReply reply = await SendAsync(endpoint, method, parameters, cancel).ConfigureAwait(false);
            if (reply.Outcome == JsonRpcOutcome.Failed)
            {
                endpoint.State = EndpointState.Unknown;
                _events?.OnFailed(endpoint.Transport.Name, reply.Failure!);
                last = reply;
                continue;
            }

            if (reply.Outcome == JsonRpcOutcome.Error && IsLimit(reply))
            {
                last = reply;
                continue;
            }

            Volatile.Write(ref _preferred, index);
            return reply;
        }

        return last;
    }

    private async ValueTask<bool> VerifyAsync(Endpoint endpoint, CancellationToken cancel)
    {
        if (endpoint.State != EndpointState.Unknown)
        {
            return endpoint.State == EndpointState.Verified;
        }

        JsonRpcReply reply = await SendAsync(endpoint, "eth_chainId", "[]"u8.ToArray(), cancel).ConfigureAwait(false);
        if (!reply.IsResult || !EthereumJson.TryReadQuantity(reply.Json.Span, out ulong chainId))
        {
            _events?.OnFailed(endpoint.Transport.Name, reply.Failure ?? "does not tell its chain id");
            return false;
        }

        if (chainId != _chainId)
        {
            endpoint.State = EndpointState.Refused;
            _events?.OnRefused(endpoint.Transport.Name, chainId);
            return false;
        }

        endpoint.State = EndpointState.Verified;
        _events?.OnVerified(endpoint.Transport.Name);
        return true;
    }

    private async ValueTask<JsonRpcReply> SendAsync(
        Endpoint endpoint, string method, ReadOnlyMemory<byte> parameters, CancellationToken cancel)
    {
        long id = Interlocked.Increment(ref _lastId);
        byte[] body = JsonRpcMessages.WriteRequest(id, method, parameters.Span);
        JsonRpcTransportResult result = await endpoint.Transport.SendAsync(body, cancel).ConfigureAwait(false);
        if (result.Body is null)
        {
            return JsonRpcReply.FromFailure(result.Failure ?? "no answer");
        }

        return JsonRpcMessages.TryReadReply(result.Body, id, out JsonRpcReply reply)
            ? reply
            : JsonRpcReply.FromFailure("malformed answer");
    }

    private static bool IsLimit(in JsonRpcReply reply) => reply.Json.Span.IndexOf(LimitExceeded) >= 0;

    private enum EndpointState
    {
        Unknown,
        Verified,
        Refused,
    }

    private sealed class Endpoint(IJsonRpcTransport transport)
    {
        private volatile EndpointState _state;

        public IJsonRpcTransport Transport { get; } = transport;

        public EndpointState State
        {
            get => _state;
            set => _state = value;
        }
    }
}

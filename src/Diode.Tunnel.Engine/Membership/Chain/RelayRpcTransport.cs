using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// A relay as a JSON-RPC endpoint of a chain. Question and answer have to fit in one frame of 65,535 bytes; a relay of another make
/// breaks the session where an answer does not, so what is asked must be small.
/// </summary>
/// <param name="relay">The session.</param>
/// <param name="prefix">Prefix of the chain.</param>
/// <param name="timeout">For an answer.</param>
internal sealed class RelayRpcTransport(IChainRelay relay, string prefix, TimeSpan timeout) : IJsonRpcTransport
{
    /// <summary>Devices of a fleet asked for at a time: 32 KB of text.</summary>
    public const int PageSize = 500;

    /// <summary>Slots proven at a time: some 5 KB of text each in a fleet of ten thousand, and the account's proof besides.</summary>
    public const int SlotsPerProof = 8;

    /// <inheritdoc/>
    public string Name { get; } = NameOf(relay);

    /// <summary>How a relay is called in texts about a chain.</summary>
    public static string NameOf(IChainRelay relay) => $"relay {relay.Endpoint?.ToString() ?? "?"} ({relay.Relay})";

    /// <inheritdoc/>
    public async ValueTask<JsonRpcTransportResult> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        if (!JsonRpcMessages.TryReadRequest(body, out long id, out string method, out string parameters))
        {
            return JsonRpcTransportResult.Failed("malformed request");
        }

        var answered = new TaskCompletionSource<(string? Problem, byte[]? Json)>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!relay.CallChain(prefix, method, parameters, (problem, json) => answered.TrySetResult((problem, json))))
        {
            return JsonRpcTransportResult.Failed("the relay is not connected, or too much is asked of it");
        }

        try
        {
            (string? problem, byte[]? json) = await answered.Task.WaitAsync(timeout, cancel).ConfigureAwait(false);
            return json is null ? JsonRpcTransportResult.Failed(problem ?? "no answer")
                : JsonRpcMessages.TryReadReply(json, out JsonRpcReply reply) ? JsonRpcTransportResult.From(JsonRpcMessages.WriteReply(id, reply))
                : JsonRpcTransportResult.Failed("malformed answer");
        }
        catch (TimeoutException)
        {
            return JsonRpcTransportResult.Failed($"no answer within {timeout.TotalSeconds:0.#} s");
        }
    }
}

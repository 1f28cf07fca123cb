using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>An endpoint that changes what passes: gets method, parameters and the true answer, returns what to tell. Null: silence.</summary>
internal sealed class TamperingTransport(IJsonRpcTransport inner, string name, Func<string, JsonArray, JsonNode, JsonNode?> change)
    : IJsonRpcTransport
{
    public string Name => name;

    public async ValueTask<JsonRpcTransportResult> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        JsonRpcTransportResult result = await inner.SendAsync(body, cancel);
        if (result.Body is null)
        {
            return result;
        }

        JsonNode request = JsonNode.Parse(body.Span)!;
        JsonNode? told = change(
            request["method"]!.GetValue<string>(), request["params"]!.AsArray(), JsonNode.Parse(result.Body)!);
        return told is null
            ? JsonRpcTransportResult.Failed("no answer within 3 s")
            : JsonRpcTransportResult.From(System.Text.Encoding.UTF8.GetBytes(told.ToJsonString()));
    }
}

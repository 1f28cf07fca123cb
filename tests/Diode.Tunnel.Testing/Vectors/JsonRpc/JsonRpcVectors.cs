using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Relay.Rpc;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>
/// jsonrpc.json: every request is sent to the real server. Compared: status (a real relay's 500 is any 4xx of ours), headers,
/// the signature over our own body by recovery, and the body by <see cref="JsonMatch"/>. Cases recorded at the other node
/// are answered by this one and only differ in who signs.
/// </summary>
internal static class JsonRpcVectors
{
    private static readonly ConditionalWeakTable<VectorCase, RpcWorld> Worlds = new();

    public static void Run(VectorCase file, VectorCase vector)
    {
        RpcWorld world = Worlds.GetValue(file, key => new RpcWorld(key));
        switch (vector.Text("transport"))
        {
            case "http":
                RunHttpAsync(world, vector).GetAwaiter().GetResult();
                break;
            case "ws":
                WebSocketReplay.RunAsync(world, vector).GetAwaiter().GetResult();
                break;
            default:
                throw new VectorException("unknown transport " + vector.Text("transport"));
        }

        // The server of a file ends with its last case.
        if (vector.Name == world.Cases[^1].Name)
        {
            world.Dispose();
            Worlds.Remove(file);
        }
    }

    private static async Task RunHttpAsync(RpcWorld world, VectorCase vector)
    {
        string body = vector.Has("request") ? vector.Get("request").GetRawText() : vector.Text("request_text");
        string method = MethodOf(vector);
        if (method is "dio_tickets" or "dio_traffic")
        {
            world.LoadTickets();
        }

        using var request = new HttpRequestMessage(new HttpMethod(vector.Text("verb")), vector.Text("path"));
        if (vector.Text("verb") == "POST")
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage response = await world.Http.SendAsync(request);
        byte[] answer = await response.Content.ReadAsByteArrayAsync();
        int status = (int)vector.Number("status");
        if (status == 500)
        {
            // Real relays crash on these.
            VectorCheck.True((int)response.StatusCode is >= 400 and < 500, $"status {(int)response.StatusCode}");
            return;
        }

        VectorCheck.Equal(status, (int)response.StatusCode, "status");
        CheckHeaders(world, vector, response, answer);
        if (!vector.Has("response"))
        {
            VectorCheck.Equal(0, answer.Length, "length of the body");
            return;
        }

        using JsonDocument document = JsonDocument.Parse(answer);
        JsonMatch.Check(world, method, vector.Get("response"), document.RootElement);
        if (method == "dio_ticket" && vector.Get("response").TryGetProperty("result", out _))
        {
            world.Tickets.Accept(world.Node, vector.Get("request"));
        }
    }

    private static string MethodOf(VectorCase vector)
    {
        return vector.Has("request")
            && vector.Get("request").ValueKind == JsonValueKind.Object
            && vector.Get("request").TryGetProperty("method", out JsonElement name)
                ? name.GetString()!
                : "";
    }

    private static void CheckHeaders(RpcWorld world, VectorCase vector, HttpResponseMessage response, byte[] answer)
    {
        foreach (JsonProperty header in vector.Get("headers").EnumerateObject())
        {
            string? got = Find(response.Headers, header.Name) ?? Find(response.Content.Headers, header.Name);
            switch (header.Name)
            {
                case "x-diode-signature":
                    VectorCheck.True(
                        EthereumJson.TryParseData(got, out byte[]? bytes)
                            && Signature65.TryFromBytes(bytes, out Signature65 signature)
                            && signature.TryRecover(RpcIdentity.GetDigest(answer), out PublicKey? key)
                            && key.Address == world.Node,
                        "the signature is not that of the relay");
                    break;
                case "x-diode-sender":
                    VectorCheck.Equal(world.Node.ToString(), got, header.Name);
                    break;
                default:
                    VectorCheck.Equal(header.Value.GetString(), got, header.Name);
                    break;
            }
        }

        if (vector.Has("reply_digest"))
        {
            byte[] recorded = Encoding.UTF8.GetBytes(vector.Has("response_text") ? vector.Text("response_text") : "");
            if (recorded.Length > 0)
            {
                VectorCheck.Bytes(vector.Hex("reply_digest"), RpcIdentity.GetDigest(recorded).ToArray(), "reply_digest");
                VectorCheck.True(
                    EthereumJson.TryParseData(vector.Get("headers").GetProperty("x-diode-signature").GetString(), out byte[]? bytes)
                        && Signature65.TryFromBytes(bytes, out Signature65 signature)
                        && signature.TryRecover(RpcIdentity.GetDigest(recorded), out PublicKey? key)
                        && key.Address == vector.Address("reply_signer"),
                    "reply_signer");
            }
        }
    }

    private static string? Find(HttpHeaders headers, string name)
    {
        return headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(", ", values) : null;
    }
}

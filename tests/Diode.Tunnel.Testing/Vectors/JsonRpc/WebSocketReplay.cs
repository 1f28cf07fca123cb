using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>
/// A recorded WebSocket. Requests are sent one by one, answers compared by id. Notifications are compared in order; real
/// relays repeat one for every ticket of the connection, ours sends it once. Where a real relay drops the connection, ours
/// has to answer an error and keep it. A case that another one sends messages to is run together with that one.
/// </summary>
internal sealed class WebSocketReplay : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly RpcWorld _world;
    private readonly ClientWebSocket _socket = new();
    private readonly Dictionary<string, string> _ids = [];
    private readonly List<JsonElement> _notifications = [];

    private WebSocketReplay(RpcWorld world)
    {
        _world = world;
    }

    public static async Task RunAsync(RpcWorld world, VectorCase vector)
    {
        if (world.Heard.Remove(vector.Name, out List<JsonElement>? heard))
        {
            CompareNotifications(vector, heard);
            return;
        }

        var others = new List<(VectorCase Case, WebSocketReplay Replay)>();
        foreach (VectorCase other in world.Cases.Where(one => IsTalkedTo(one, vector)))
        {
            var replay = new WebSocketReplay(world);
            await replay._socket.ConnectAsync(world.WebSocketUri, default);
            await replay.PlayAsync(other);
            others.Add((other, replay));
        }

        await using var own = new WebSocketReplay(world);
        await own._socket.ConnectAsync(world.WebSocketUri, default);
        await own.PlayAsync(vector);
        CompareNotifications(vector, await own.WaitAsync(vector));
        foreach ((VectorCase other, WebSocketReplay replay) in others)
        {
            world.Heard[other.Name] = await replay.WaitAsync(other);
            await replay.DisposeAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        _socket.Abort();
        _socket.Dispose();
        return default;
    }

    // The receiver of messages of this case, which has a case of its own.
    private static bool IsTalkedTo(VectorCase other, VectorCase vector)
    {
        if (other.Name == vector.Name || !other.Has("device") || other.Text("transport") != "ws")
        {
            return false;
        }

        string device = "0x" + other.Text("device");
        return vector.Items("transcript").Any(step => step.GetProperty("dir").GetString() == "c2s"
            && step.TryGetProperty("message", out JsonElement message)
            && message.ValueKind == JsonValueKind.Object
            && message.TryGetProperty("method", out JsonElement method)
            && method.GetString() == "dio_message"
            && message.GetProperty("params")[0].GetString() == device);
    }

    private async Task PlayAsync(VectorCase vector)
    {
        JsonElement[] steps = [.. vector.Items("transcript")];
        for (int i = 0; i < steps.Length; i++)
        {
            JsonElement step = steps[i];
            if (step.GetProperty("dir").GetString() != "c2s")
            {
                continue;
            }

            bool isJson = step.TryGetProperty("message", out JsonElement message);
            string text = isJson ? Substitute(message.GetRawText()) : step.GetProperty("text").GetString()!;
            await _socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, default);
            if (!isJson)
            {
                JsonElement what = await ReceiveAnswerAsync();
                JsonMatch.Same(steps[i + 1].GetProperty("message"), what, "answer to garbage");
                continue;
            }

            JsonElement got = await ReceiveAnswerAsync();
            JsonElement? expected = FindAnswer(steps[(i + 1)..], message);
            if (expected is not JsonElement wanted)
            {
                VectorCheck.True(got.TryGetProperty("message", out _), "an error where the real relay drops the connection");
                continue;
            }

            Compare(message, wanted, got);
            ExpectBlock(steps[(i + 1)..], message);
        }
    }

    private void Compare(JsonElement request, JsonElement wanted, JsonElement got)
    {
        string method = request.ValueKind == JsonValueKind.Object ? request.GetProperty("method").GetString()! : "";
        if (method == "eth_subscribe" && wanted.TryGetProperty("result", out JsonElement id))
        {
            JsonMatch.SameForm(wanted, got, method);
            _ids[id.GetString()!] = got.GetProperty("result").GetString()!;
            return;
        }

        JsonMatch.Check(_world, method, wanted, got);
        if (method == "dio_ticket" && wanted.TryGetProperty("result", out _))
        {
            _world.Tickets.Accept(_world.Node, request);
        }
    }

    // A new block comes when the transcript shows one.
    private void ExpectBlock(JsonElement[] rest, JsonElement request)
    {
        if (request.ValueKind != JsonValueKind.Object || request.GetProperty("method").GetString() != "eth_subscribe")
        {
            return;
        }

        foreach (JsonElement step in rest.Where(step => step.GetProperty("dir").GetString() == "s2c"))
        {
            JsonElement message = step.GetProperty("message");
            if (message.ValueKind == JsonValueKind.Object
                && message.TryGetProperty("method", out JsonElement method)
                && method.GetString() == "eth_subscription")
            {
                JsonElement block = message.GetProperty("params").GetProperty("result");
                VectorCheck.True(EthereumJson.TryGetQuantity(block, "number", out ulong number), "number of a block");
                number = Math.Max(number, _world.Chain.Peak + 1);
                string quantity = EthereumJson.Quantity(number);
                _world.Chain.Blocks[number] = block.GetRawText().Replace(
                    block.GetProperty("number").GetRawText(), $"\"{quantity}\"", StringComparison.Ordinal);
                _world.Chain.Peak = number;
                return;
            }
        }
    }

    private string Substitute(string text)
    {
        return _ids.Aggregate(text, (now, pair) => now.Replace(pair.Key, pair.Value, StringComparison.Ordinal));
    }

    private async Task<JsonElement> ReceiveAnswerAsync()
    {
        while (true)
        {
            JsonElement message = await ReceiveAsync();
            if (message.ValueKind == JsonValueKind.Object && message.TryGetProperty("method", out _))
            {
                _notifications.Add(message);
                continue;
            }

            return message;
        }
    }

    private async Task<JsonElement> ReceiveAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        var collected = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        while (true)
        {
            ValueWebSocketReceiveResult piece = await _socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
            VectorCheck.True(piece.MessageType == WebSocketMessageType.Text, "the relay closed the connection");
            await collected.WriteAsync(buffer.AsMemory(0, piece.Count));
            if (piece.EndOfMessage)
            {
                using JsonDocument document = JsonDocument.Parse(collected.ToArray());
                return document.RootElement.Clone();
            }
        }
    }

    private async Task<List<JsonElement>> WaitAsync(VectorCase vector)
    {
        int expected = Collapse(Notifications(vector)).Count;
        while (_notifications.Count < expected)
        {
            _notifications.Add(await ReceiveAsync());
        }

        return _notifications;
    }

    private static void CompareNotifications(VectorCase vector, List<JsonElement> heard)
    {
        List<JsonElement> expected = Collapse(Notifications(vector));
        VectorCheck.Equal(expected.Count, heard.Count, "notifications");
        for (int i = 0; i < expected.Count; i++)
        {
            if (expected[i].GetProperty("method").GetString() == "eth_subscription")
            {
                JsonElement wanted = expected[i].GetProperty("params").GetProperty("result");
                JsonElement got = heard[i].GetProperty("params").GetProperty("result");
                JsonMatch.SameForm(wanted, got, "block");
                continue;
            }

            JsonMatch.Same(expected[i], heard[i], "notification");
        }
    }

    private static IEnumerable<JsonElement> Notifications(VectorCase vector)
    {
        return vector.Items("transcript")
            .Where(step => step.GetProperty("dir").GetString() == "s2c")
            .Select(step => step.GetProperty("message"))
            .Where(message => message.ValueKind == JsonValueKind.Object && message.TryGetProperty("method", out _));
    }

    private static List<JsonElement> Collapse(IEnumerable<JsonElement> notifications)
    {
        var kept = new List<JsonElement>();
        foreach (JsonElement one in notifications)
        {
            if (kept.Count == 0 || kept[^1].GetRawText() != one.GetRawText())
            {
                kept.Add(one);
            }
        }

        return kept;
    }

    private static JsonElement? FindAnswer(JsonElement[] rest, JsonElement request)
    {
        foreach (JsonElement step in rest)
        {
            string direction = step.GetProperty("dir").GetString()!;
            if (direction == "closed")
            {
                return null;
            }

            if (direction == "s2c"
                && step.GetProperty("message") is JsonElement message
                && ((message.ValueKind == JsonValueKind.Array && request.ValueKind == JsonValueKind.Array)
                    || (message.ValueKind == JsonValueKind.Object
                        && request.ValueKind == JsonValueKind.Object
                        && message.TryGetProperty("id", out JsonElement id)
                        && id.GetRawText() == request.GetProperty("id").GetRawText())))
            {
                return message;
            }
        }

        return null;
    }
}

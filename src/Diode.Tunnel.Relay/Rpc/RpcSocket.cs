using System.Net.WebSockets;
using System.Text.Json;
using System.Threading.Channels;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// One WebSocket: requests, and notifications for the device that proved itself on it by a ticket. Requests that change
/// the connection are handled in order, others beside each other. A request keeps its slot until its answer is sent, so a
/// peer that does not read is not read either; notifications that it does not take end the connection.
/// </summary>
internal sealed partial class RpcSocket : IDisposable
{
    private static readonly HashSet<string> Ordered = new(StringComparer.Ordinal)
    {
        "dio_ticket", "dio_message", "dio_wireguard_open", "dio_wireguard_close", "dio_turn_open", "eth_subscribe",
        "eth_unsubscribe",
    };

    private static readonly byte[] What = "\"what?\""u8.ToArray();

    private readonly RpcServices _services;
    private readonly WebSocket _socket;
    private readonly RpcCaller _caller;
    private readonly SemaphoreSlim _slots = new(RpcLimits.SocketWidth, RpcLimits.SocketWidth);
    private readonly Channel<(byte[] Message, bool HoldsSlot)> _output = Channel.CreateUnbounded<(byte[], bool)>(
        new UnboundedChannelOptions { SingleReader = true });
    private readonly Lock _sendGate = new();
    private readonly CancellationTokenSource _stop = new();
    private long _backlog;
    private long _sendingSinceMs;
    private long _heardMs;
    private bool _ended;

    public RpcSocket(RpcServices services, WebSocket socket, RpcAddress? address)
    {
        _services = services;
        _socket = socket;
        _caller = new RpcCaller { Socket = this, Address = address };
        _heardMs = services.NowMs;
    }

    /// <summary>Serves the peer until it leaves, breaks a rule or is stopped.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        _services.Sockets.Add(this);
        _services.Core.Counters.RpcSocketOpened();
        using CancellationTokenRegistration stopping = cancel.Register(Stop);
        Task writer = WriteAsync();
        try
        {
            await ReadAsync();
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException or IOException)
        {
            // Gone.
        }
        finally
        {
            _services.Sockets.Remove(this);
            Stop();
            await writer;
            LeaveDevice();
            LeaveChain();
            EndOutput();
            for (int i = 0; i < RpcLimits.SocketWidth; i++)
            {
                // Answers that are under way use what is disposed now.
                await _slots.WaitAsync(CancellationToken.None);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _slots.Dispose();
        _stop.Dispose();
    }

    /// <summary>Ends the connection. Any thread.</summary>
    public void Stop()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    // The slot of an answer is free when the answer was sent, or nobody is there to take it.
    private void Answer(byte[] message)
    {
        if (!TrySend(message, holdsSlot: true))
        {
            _slots.Release();
        }
    }

    private bool TrySend(byte[] message, bool holdsSlot)
    {
        lock (_sendGate)
        {
            if (_ended)
            {
                return false;
            }

            // Answers are bounded by their slots.
            if ((holdsSlot || _backlog <= RpcLimits.MaxSocketBacklog) && _services.Budget.TryTake(message.Length))
            {
                _backlog += message.Length;
                return _output.Writer.TryWrite((message, holdsSlot));
            }
        }

        _services.Core.Counters.RpcRefused();
        Stop();
        return false;
    }

    private void EndOutput()
    {
        lock (_sendGate)
        {
            _ended = true;
            _services.Budget.Return(_backlog);
            _backlog = 0;
        }

        while (_output.Reader.TryRead(out (byte[] Message, bool HoldsSlot) left))
        {
            if (left.HoldsSlot)
            {
                _slots.Release();
            }
        }
    }

    /// <summary>Ends a connection whose peer does not read or says nothing.</summary>
    private void CheckPeer(long nowMs)
    {
        long since = Interlocked.Read(ref _sendingSinceMs);
        if ((since != 0 && nowMs - since > RpcLimits.SendTimeoutMs)
            || nowMs - Interlocked.Read(ref _heardMs) > RpcLimits.IdleMs)
        {
            Stop();
        }
    }

    private void Notify(string method, Action<Utf8JsonWriter> writeParameters)
    {
        byte[] message = RpcJson.Write(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WriteString("method"u8, method);
            writer.WritePropertyName("params"u8);
            writeParameters(writer);
            writer.WriteEndObject();
        });
        _ = TrySend(message, holdsSlot: false);
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach ((byte[] message, bool holdsSlot) in _output.Reader.ReadAllAsync(_stop.Token))
            {
                try
                {
                    Interlocked.Exchange(ref _sendingSinceMs, _services.NowMs);
                    await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, _stop.Token);
                    Interlocked.Exchange(ref _sendingSinceMs, 0);
                }
                finally
                {
                    lock (_sendGate)
                    {
                        _backlog -= message.Length;
                        _services.Budget.Return(message.Length);
                    }

                    if (holdsSlot)
                    {
                        _slots.Release();
                    }
                }
            }
        }
        catch (Exception exception) when (
            exception is OperationCanceledException or WebSocketException or IOException or ObjectDisposedException)
        {
            Stop();
        }
    }

    private async Task ReadAsync()
    {
        const int first = 4096;
        byte[] buffer = new byte[first];
        int taken = 0;
        int length = 0;
        try
        {
            while (true)
            {
                if (length == buffer.Length)
                {
                    if (length >= RpcLimits.MaxBody || !_services.Budget.TryTake(buffer.Length))
                    {
                        _services.Core.Counters.RpcRefused();
                        await _socket.CloseOutputAsync(WebSocketCloseStatus.MessageTooBig, null, _stop.Token);
                        return;
                    }

                    taken += buffer.Length;
                    Array.Resize(ref buffer, 2 * length);
                }

                ValueWebSocketReceiveResult piece = await _socket.ReceiveAsync(buffer.AsMemory(length), _stop.Token);
                Interlocked.Exchange(ref _heardMs, _services.NowMs);
                if (piece.MessageType == WebSocketMessageType.Close)
                {
                    await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _stop.Token);
                    return;
                }

                length += piece.Count;
                if (piece.EndOfMessage)
                {
                    await HandleAsync(buffer.AsMemory(0, length).ToArray());
                    length = 0;
                    if (taken > 0)
                    {
                        _services.Budget.Return(taken);
                        taken = 0;
                        buffer = new byte[first];
                    }
                }
            }
        }
        finally
        {
            _services.Budget.Return(taken);
        }
    }

    private async Task HandleAsync(byte[] message)
    {
        await _slots.WaitAsync(_stop.Token);
        JsonDocument? document = _services.Rpc.TryParse(message);
        if (document is null)
        {
            Answer(What);
        }
        else if (IsOrdered(document.RootElement))
        {
            await HandleAsync(document);
        }
        else
        {
            _ = HandleAsync(document);
        }
    }

    private async Task HandleAsync(JsonDocument document)
    {
        byte[]? answer = null;
        try
        {
            using (document)
            {
                (_, answer) = await _services.Rpc.HandleAsync(document.RootElement, _caller, _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Gone.
        }

        if (answer is null)
        {
            _slots.Release();
        }
        else
        {
            Answer(answer);
        }
    }

    private static bool IsOrdered(JsonElement root)
    {
        return root.ValueKind == JsonValueKind.Array
            || (root.ValueKind == JsonValueKind.Object
                && root.TryGetProperty("method", out JsonElement name)
                && EthereumJson.TryGetText(name, out string? method)
                && Ordered.Contains(method));
    }
}

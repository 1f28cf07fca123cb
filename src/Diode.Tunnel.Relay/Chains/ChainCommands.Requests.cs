using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Chains;

/// <content>Transactions and JSON-RPC requests.</content>
internal sealed partial class ChainCommands
{
    private async ValueTask<byte[]> SendTransactionAsync(byte[] transaction, CancellationToken cancel)
    {
        JsonRpcReply reply = await SendRawAsync(reader, transaction, cancel);
        if (reply.IsResult || IsAlreadyKnown(reply))
        {
            return ChainAnswer.Response(writer => writer.WriteBytes("ok"u8));
        }

        return reply.Outcome == JsonRpcOutcome.Error
            ? ChainAnswer.Error(ChainRpc.Inspect(reply.Json))
            : ChainAnswer.Unavailable();
    }

    /// <summary>Hands a signed transaction to the chain.</summary>
    internal static ValueTask<JsonRpcReply> SendRawAsync(
        ChainReader chain, ReadOnlyMemory<byte> transaction, CancellationToken cancel)
    {
        return chain.CallAsync(
            "eth_sendRawTransaction", Encoding.ASCII.GetBytes($"[{Quote(transaction.Span)}]"), cancel);
    }

    private static bool IsAlreadyKnown(in JsonRpcReply reply)
    {
        return reply.Outcome == JsonRpcOutcome.Error
            && Encoding.UTF8.GetString(reply.Json.Span).Contains("already known", StringComparison.OrdinalIgnoreCase);
    }

    private async ValueTask<byte[]> SendMetaTransactionAsync(byte[] request, CancellationToken cancel)
    {
        string? hash = meta is null ? null : await meta.SendAsync(request, cancel);
        return hash is null
            ? ChainAnswer.Error("transaction_rejected")
            : ChainAnswer.Response(writer =>
            {
                writer.WriteBytes("ok"u8);
                writer.WriteText(hash);
            });
    }

    private async ValueTask<byte[]> RpcAsync(byte[][] arguments, CancellationToken cancel)
    {
        using JsonDocument? document = EthereumJson.TryParse(arguments[1]);
        if (document is null || document.RootElement.ValueKind != JsonValueKind.Array)
        {
            return ChainAnswer.Error("invalid json params");
        }

        string method = Encoding.UTF8.GetString(arguments[0]);
        byte[] answer;
        if (Local is not null && Local.IsLocal(method))
        {
            answer = await Local.ExecuteAsync(method, document.RootElement, cancel);
        }
        else
        {
            JsonRpcReply reply = await ChainRpc.ForwardAsync(reader, method, document.RootElement, cancel);
            answer = ChainRpc.WriteEnvelope(Interlocked.Increment(ref _lastRpcId), reply);
        }

        return ChainAnswer.Response(writer => writer.WriteBytes(answer));
    }
}

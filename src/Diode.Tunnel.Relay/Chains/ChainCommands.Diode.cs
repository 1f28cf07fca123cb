using System.Text;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <content>The commands without prefix: the Diode L1 answers them itself (diode-edge §3.4).</content>
internal sealed partial class ChainCommands
{
    /// <summary>Executes a command without prefix; only for the Diode L1.</summary>
    public async ValueTask<byte[]> HandlePlainAsync(ReadOnlyMemory<byte> command, CancellationToken cancel)
    {
        if (!TrySplit(command.Span, out byte[][] items))
        {
            return ChainAnswer.Error("bad input");
        }

        string name = Encoding.ASCII.GetString(items[0]);
        if (name is "getblockpeak" or "getblockheader" or "getblockheader2" or "rpc")
        {
            return await HandleAsync(command, cancel);
        }

        ulong? block = null;
        bool isRead = name != "sendtransaction" && name != "getblockquick2";
        if (isRead && items.Length > 1)
        {
            (block, byte[]? error) = await ResolveBlockAsync(items[1], cancel);
            if (error is not null)
            {
                return error;
            }

            // A name means another block soon, so its answer is not kept.
            block = items[1].AsSpan().SequenceEqual("latest"u8) ? null : block;
        }

        return await AskDiodeAsync(command, isRead ? block : null, cancel) ?? ChainAnswer.Unavailable();
    }

    // Null when there is no answer or it is none.
    private async ValueTask<byte[]?> AskDiodeAsync(
        ReadOnlyMemory<byte> command, ulong? block, CancellationToken cancel)
    {
        byte[] parameters = Encoding.ASCII.GetBytes($"[{Quote(command.Span)}]");
        JsonRpcReply reply = block is ulong number
            ? await reader.ReadAsync("dio_edgev2", parameters, number, cancel)
            : await reader.CallAsync("dio_edgev2", parameters, cancel);
        return reply.IsResult
            && EthereumJson.TryReadData(reply.Json.Span, out byte[]? answer)
            && RlpReader.IsWellFormed(answer)
            && RlpReader.TryReadSingleList(answer, out RlpReader items)
            && items.TryReadBytes(out _)
            ? answer
            : null;
    }
}

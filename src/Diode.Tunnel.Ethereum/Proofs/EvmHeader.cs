using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Proofs;

/// <summary>
/// A block header of an Ethereum-style chain. The hash is computed here: whoever tells a header binds itself to its state root.
/// </summary>
/// <param name="Number">Block number.</param>
/// <param name="Hash">Keccak of the header's RLP.</param>
/// <param name="ParentHash">Hash of the block before.</param>
/// <param name="StateRoot">Root of the state after this block.</param>
/// <param name="Timestamp">Unix seconds.</param>
public sealed record EvmHeader(ulong Number, Hash256 Hash, Hash256 ParentHash, Hash256 StateRoot, ulong Timestamp)
{
    // In the order of the RLP. The later ones came with hard forks: a header ends where they end.
    private static readonly (string Name, int Length)[] Required =
    [
        ("parentHash", 32), ("sha3Uncles", 32), ("miner", 20), ("stateRoot", 32), ("transactionsRoot", 32), ("receiptsRoot", 32), ("logsBloom", 256),
        ("difficulty", 0), ("number", 0), ("gasLimit", 0), ("gasUsed", 0), ("timestamp", 0), ("extraData", -1), ("mixHash", 32), ("nonce", 8),
    ];

    private static readonly (string Name, int Length)[] Later =
    [
        ("baseFeePerGas", 0), ("withdrawalsRoot", 32), ("blobGasUsed", 0), ("excessBlobGas", 0), ("parentBeaconBlockRoot", 32), ("requestsHash", 32),
    ];

    /// <summary>
    /// Reads the answer to <c>eth_getBlockByNumber</c>. False when a member is missing or the hash told is not the one computed.
    /// </summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out EvmHeader? header)
    {
        header = null;
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is null || document.RootElement.ValueKind != JsonValueKind.Object)
        {
            return false;
        }

        JsonElement root = document.RootElement;
        var writer = new RlpWriter(1024);
        writer.BeginList();
        foreach ((string name, int length) in Required)
        {
            if (!TryWrite(writer, root, name, length))
            {
                return false;
            }
        }

        foreach ((string name, int length) in Later)
        {
            if (!root.TryGetProperty(name, out JsonElement member) || member.ValueKind == JsonValueKind.Null)
            {
                break;
            }

            if (!TryWrite(writer, root, name, length))
            {
                return false;
            }
        }

        writer.EndList();
        Hash256 hash = Keccak256.Hash(writer.WrittenSpan);
        if (!EthereumJson.TryGetData(root, "hash", Hash256.Length, out byte[]? told) || hash != new Hash256(told))
        {
            return false;
        }

        _ = EthereumJson.TryGetData(root, "parentHash", Hash256.Length, out byte[]? parent);
        _ = EthereumJson.TryGetData(root, "stateRoot", Hash256.Length, out byte[]? state);
        if (!EthereumJson.TryGetQuantity(root, "number", out ulong number) || !EthereumJson.TryGetQuantity(root, "timestamp", out ulong time))
        {
            return false;
        }

        header = new EvmHeader(number, hash, new Hash256(parent), new Hash256(state), time);
        return true;
    }

    /// <summary>
    /// Reads the answer of a chain whose blocks are not named by this RLP (Oasis runtimes name theirs by a header of their own). The hash is as
    /// told, and the state root is zero: nothing can be proven under such a header, it only serves to agree on a block.
    /// </summary>
    public static bool TryReadTold(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out EvmHeader? header)
    {
        header = null;
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is not { RootElement: { ValueKind: JsonValueKind.Object } root }
            || !EthereumJson.TryGetData(root, "hash", Hash256.Length, out byte[]? hash)
            || !EthereumJson.TryGetData(root, "parentHash", Hash256.Length, out byte[]? parent)
            || !EthereumJson.TryGetQuantity(root, "number", out ulong number)
            || !EthereumJson.TryGetQuantity(root, "timestamp", out ulong time))
        {
            return false;
        }

        header = new EvmHeader(number, new Hash256(hash), new Hash256(parent), default, time);
        return true;
    }

    // Length 0: a quantity, shortest form. -1: data of any length.
    private static bool TryWrite(RlpWriter writer, JsonElement root, string name, int length)
    {
        if (!EthereumJson.TryGetData(root, name, length > 0 ? length : -1, out byte[]? data))
        {
            return false;
        }

        writer.WriteBytes(length == 0 ? data.AsSpan().TrimStart((byte)0) : data);
        return true;
    }
}

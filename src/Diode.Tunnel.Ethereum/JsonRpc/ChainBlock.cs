using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>The members of a block that Diode uses, as an endpoint tells them; nothing is checked against a proof.</summary>
public sealed record ChainBlock
{
    private const int SignatureLength = 65;

    /// <summary>Block number.</summary>
    public required ulong Number { get; init; }

    /// <summary>Unix seconds.</summary>
    public required ulong Timestamp { get; init; }

    /// <summary>Hash of the block.</summary>
    public required Hash256 Hash { get; init; }

    /// <summary>Hash of the block before.</summary>
    public required Hash256 ParentHash { get; init; }

    /// <summary>Root of the state.</summary>
    public required Hash256 StateRoot { get; init; }

    /// <summary>Root of the transactions.</summary>
    public required Hash256 TransactionsRoot { get; init; }

    /// <summary>Who gets the reward.</summary>
    public required Address Miner { get; init; }

    /// <summary>The nonce, big-endian without leading zeros; empty for zero.</summary>
    public required ReadOnlyMemory<byte> Nonce { get; init; }

    /// <summary>Signature of the miner (SIG65); empty on chains other than the Diode L1.</summary>
    public ReadOnlyMemory<byte> MinerSignature { get; init; }

    /// <summary>Reads the answer to <c>eth_getBlockByNumber</c>; false when a member is missing or no block is named.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out ChainBlock? block)
    {
        block = null;
        using JsonDocument? document = EthereumJson.TryParse(json);
        return document is not null
            && document.RootElement.ValueKind == JsonValueKind.Object
            && TryRead(document.RootElement, out block);
    }

    private static bool TryRead(JsonElement root, [NotNullWhen(true)] out ChainBlock? block)
    {
        block = null;
        if (!EthereumJson.TryGetQuantity(root, "number", out ulong number)
            || !EthereumJson.TryGetQuantity(root, "timestamp", out ulong timestamp)
            || !TryGetHash(root, "hash", out Hash256 hash)
            || !TryGetHash(root, "parentHash", out Hash256 parent)
            || !TryGetHash(root, "stateRoot", out Hash256 state)
            || !TryGetHash(root, "transactionsRoot", out Hash256 transactions)
            || !EthereumJson.TryGetData(root, "miner", Address.Length, out byte[]? miner)
            || !TryGetNonce(root, out byte[]? nonce))
        {
            return false;
        }

        byte[] signature = [];
        if (root.TryGetProperty("minerSignature", out JsonElement signed) && signed.ValueKind != JsonValueKind.Null
            && !EthereumJson.TryGetData(root, "minerSignature", SignatureLength, out signature!))
        {
            return false;
        }

        block = new ChainBlock
        {
            Number = number,
            Timestamp = timestamp,
            Hash = hash,
            ParentHash = parent,
            StateRoot = state,
            TransactionsRoot = transactions,
            Miner = new Address(miner),
            Nonce = nonce.AsSpan().TrimStart((byte)0).ToArray(),
            MinerSignature = signature,
        };
        return true;
    }

    // Some chains have no nonce.
    private static bool TryGetNonce(JsonElement root, [NotNullWhen(true)] out byte[]? nonce)
    {
        nonce = [];
        return !root.TryGetProperty("nonce", out JsonElement element)
            || element.ValueKind == JsonValueKind.Null
            || EthereumJson.TryGetData(root, "nonce", -1, out nonce);
    }

    private static bool TryGetHash(JsonElement root, string name, out Hash256 hash)
    {
        bool read = EthereumJson.TryGetData(root, name, Hash256.Length, out byte[]? bytes);
        hash = read ? new Hash256(bytes) : default;
        return read;
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Ethereum.Proofs;

/// <summary>The answer to <c>eth_getProof</c>: nodes, not yet verified. The values told beside them are not even read.</summary>
/// <param name="Account">Nodes from the state root to the account.</param>
/// <param name="Storage">Nodes from the storage root to each slot, in the order asked for.</param>
public sealed record EvmProof(IReadOnlyList<byte[]> Account, IReadOnlyList<IReadOnlyList<byte[]>> Storage)
{
    private const int MaxNodes = 128;

    /// <summary>Reads it; false when there is not one proof for each of the <paramref name="slots"/>.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, int slots, [NotNullWhen(true)] out EvmProof? proof)
    {
        proof = null;
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is null
            || document.RootElement.ValueKind != JsonValueKind.Object
            || !TryReadNodes(document.RootElement, "accountProof", out List<byte[]>? account)
            || !document.RootElement.TryGetProperty("storageProof", out JsonElement storage)
            || storage.ValueKind != JsonValueKind.Array
            || storage.GetArrayLength() != slots)
        {
            return false;
        }

        var proofs = new List<IReadOnlyList<byte[]>>(slots);
        foreach (JsonElement slot in storage.EnumerateArray())
        {
            if (slot.ValueKind != JsonValueKind.Object || !TryReadNodes(slot, "proof", out List<byte[]>? nodes))
            {
                return false;
            }

            proofs.Add(nodes);
        }

        proof = new EvmProof(account, proofs);
        return true;
    }

    private static bool TryReadNodes(JsonElement parent, string name, [NotNullWhen(true)] out List<byte[]>? nodes)
    {
        nodes = null;
        if (!parent.TryGetProperty(name, out JsonElement list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > MaxNodes)
        {
            return false;
        }

        var found = new List<byte[]>(list.GetArrayLength());
        foreach (JsonElement node in list.EnumerateArray())
        {
            if (!EthereumJson.TryGetText(node, out string? text) || !EthereumJson.TryParseData(text, out byte[]? data))
            {
                return false;
            }

            found.Add(data);
        }

        nodes = found;
        return true;
    }
}

using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>The key that call data are encrypted to (<c>oasis_callDataPublicKey</c>), as an endpoint tells it.</summary>
/// <param name="Key">X25519 public key.</param>
/// <param name="Epoch">Epoch it is of.</param>
/// <remarks>
/// The signature that comes with it could only be checked by who knows the runtime's key manager. An endpoint that puts its own key in its place
/// could read the question, ask it itself and read the answer: so a key counts only if enough endpoints tell the same.
/// </remarks>
public readonly record struct CallDataKey(Hash256 Key, ulong Epoch)
{
    /// <summary>Reads the answer; false when a member is missing.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, out CallDataKey key)
    {
        key = default;
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is not { RootElement: { ValueKind: JsonValueKind.Object } root }
            || !EthereumJson.TryGetData(root, "key", Hash256.Length, out byte[]? bytes)
            || !root.TryGetProperty("epoch", out JsonElement epoch))
        {
            return false;
        }

        bool read = epoch.ValueKind == JsonValueKind.Number
            ? epoch.TryGetUInt64(out ulong number)
            : EthereumJson.TryGetQuantity(root, "epoch", out number);
        Hash256 value = new(bytes);
        if (!read || value.IsZero)
        {
            return false;
        }

        key = new CallDataKey(value, number);
        return true;
    }
}

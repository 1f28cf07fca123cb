using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>A block that is known to be final.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Hash">Its hash.</param>
public readonly record struct TrustedBlock(ulong Number, Hash256 Hash)
{
    /// <summary>Reads <c>NUMBER=0x…</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TrustedBlock block)
    {
        string[] parts = text?.Split('=', 2) ?? [];
        block = default;
        if (parts.Length != 2
            || !ulong.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
            || !Hash256.TryParse(parts[1], out Hash256 hash))
        {
            return false;
        }

        block = new TrustedBlock(number, hash);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Number}={Hash}");
}

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>One-shot Keccak-256 with the original padding (Ethereum's, not SHA-3's). No allocation.</summary>
public static class Keccak256
{
    /// <summary>Writes the 32-byte hash of <paramref name="data"/> to <paramref name="hash32"/>.</summary>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> hash32)
    {
        var hasher = new Keccak256Hasher();
        hasher.Append(data);
        hasher.GetHashAndReset(hash32);
    }

    /// <summary>The hash of <paramref name="data"/>.</summary>
    public static Hash256 Hash(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[Hash256.Length];
        Hash(data, hash);
        return new Hash256(hash);
    }
}

using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>What a device signs to create a channel (reference §5.5).</summary>
public static class ChannelDigest
{
    private const int Words = 7;

    private static ReadOnlySpan<byte> EmptyRlpList => [0xc0];

    /// <summary>
    /// Keccak-256 of "channel", server, block hash, fleet, type, name and SHA256(RLP([])).
    /// </summary>
    /// <exception cref="ArgumentException">Type or name is longer than 32 bytes.</exception>
    public static Hash256 Compute(
        Address server, in Hash256 blockHash, Address fleet, string type, ReadOnlySpan<byte> name)
    {
        return TryCompute(server, blockHash, fleet, Encoding.UTF8.GetBytes(type), name, EmptyRlpList, out Hash256 digest)
            ? digest
            : throw new ArgumentException("type and name of a channel are at most 32 bytes long");
    }

    /// <summary>The same for any encoded parameters; false when type or name does not fit into its word.</summary>
    public static bool TryCompute(
        Address server,
        in Hash256 blockHash,
        Address fleet,
        ReadOnlySpan<byte> type,
        ReadOnlySpan<byte> name,
        ReadOnlySpan<byte> parameters,
        out Hash256 digest)
    {
        digest = default;
        if (type.Length > SignedWords.WordLength || name.Length > SignedWords.WordLength)
        {
            return false;
        }

        Span<byte> words = stackalloc byte[Words * SignedWords.WordLength];
        SignedWords.Write(words, 0, "channel"u8);
        SignedWords.Write(words, 1, server.ToArray());
        blockHash.CopyTo(words[(2 * SignedWords.WordLength)..]);
        SignedWords.Write(words, 3, fleet.ToArray());
        SignedWords.Write(words, 4, type);
        SignedWords.Write(words, 5, name);
        Hash256.Sha256(parameters).CopyTo(words[(6 * SignedWords.WordLength)..]);
        digest = Keccak256.Hash(words);
        return true;
    }
}

using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Proofs;

/// <summary>
/// Verifies proofs in the hexary Merkle-Patricia tries of Ethereum (Yellow Paper, appendix D). Proofs are untrusted: anything that
/// does not fit is <see cref="ProofVerdict.Invalid"/>, nothing throws.
/// </summary>
public static class MerklePatricia
{
    private const int KeyNibbles = 2 * Hash256.Length;
    private const int BranchItems = 17;
    private const int PathItems = 2;

    /// <summary>Root of the trie without entries: Keccak of the empty string's RLP.</summary>
    public static readonly Hash256 EmptyRoot = Keccak256.Hash([0x80]);

    /// <summary>Follows a key from the root.</summary>
    /// <param name="root">Root of the trie.</param>
    /// <param name="key">The key as the trie has it (Keccak of address or slot in Ethereum's state).</param>
    /// <param name="proof">RLP of the nodes from the root down.</param>
    /// <param name="value">The value found, a slice of the proof.</param>
    public static ProofVerdict Verify(
        in Hash256 root, in Hash256 key, IReadOnlyList<byte[]> proof, out ReadOnlySpan<byte> value)
    {
        ArgumentNullException.ThrowIfNull(proof);
        value = default;
        if (root == EmptyRoot && proof.All(static node => node is [0x80]))
        {
            return ProofVerdict.Absent;
        }

        byte[] keyBytes = key.ToArray();
        int depth = 0;
        Hash256 expected = root;
        foreach (byte[] encoded in proof)
        {
            if (Keccak256.Hash(encoded) != expected || !RlpReader.TryReadSingleList(encoded, out RlpReader node))
            {
                return ProofVerdict.Invalid;
            }

            // Nodes shorter than 32 bytes stand inside their parent: follow them until a hash or an end comes.
            while (true)
            {
                Step step = Walk(node, keyBytes, ref depth, out ReadOnlySpan<byte> next, out RlpReader inner);
                if (step == Step.Inner)
                {
                    node = inner;
                    continue;
                }

                if (step == Step.Hash)
                {
                    expected = new Hash256(next);
                    break;
                }

                value = next;
                return step switch
                {
                    Step.Value => ProofVerdict.Present,
                    Step.Nothing => ProofVerdict.Absent,
                    _ => ProofVerdict.Invalid,
                };
            }
        }

        return ProofVerdict.Invalid;
    }

    private static Step Walk(RlpReader node, byte[] key, scoped ref int depth, out ReadOnlySpan<byte> next, out RlpReader inner)
    {
        next = default;
        inner = default;
        if (!node.TryCount(out int items))
        {
            return Step.Broken;
        }

        if (items == BranchItems)
        {
            if (depth >= KeyNibbles)
            {
                return Step.Broken; // all keys have the same length: no value ends in a branch
            }

            int child = Nibble(key, depth++);
            for (int i = 0; i < child; i++)
            {
                _ = node.TryReadRaw(out _);
            }

            return Follow(node, out next, out inner);
        }

        if (items != PathItems || !node.TryReadBytes(out ReadOnlySpan<byte> path) || !TryReadPath(path, out bool isLeaf, out int start))
        {
            return Step.Broken;
        }

        int length = (2 * path.Length) - start;
        if (length > KeyNibbles - depth || !PathMatches(path, start, key, depth, length))
        {
            return Step.Nothing;
        }

        depth += length;
        if (!isLeaf)
        {
            return length == 0 || depth >= KeyNibbles ? Step.Broken : Follow(node, out next, out inner);
        }

        return depth != KeyNibbles ? Step.Nothing
            : node.TryReadBytes(out next) && !next.IsEmpty ? Step.Value
            : Step.Broken;
    }

    private static Step Follow(RlpReader node, out ReadOnlySpan<byte> next, out RlpReader inner)
    {
        inner = default;
        if (node.NextIsList)
        {
            next = default;
            return node.TryReadList(out inner) && inner.Remaining.Length < Hash256.Length ? Step.Inner : Step.Broken;
        }

        return !node.TryReadBytes(out next) ? Step.Broken
            : next.IsEmpty ? Step.Nothing
            : next.Length == Hash256.Length ? Step.Hash
            : Step.Broken;
    }

    // Hex-prefix: the first nibble says leaf (2) and odd (1); an even path has a nibble of padding.
    private static bool TryReadPath(ReadOnlySpan<byte> path, out bool isLeaf, out int start)
    {
        isLeaf = false;
        start = 0;
        if (path.IsEmpty || path[0] >> 4 > 3)
        {
            return false;
        }

        isLeaf = (path[0] & 0x20) != 0;
        bool odd = (path[0] & 0x10) != 0;
        start = odd ? 1 : 2;
        return odd || (path[0] & 0x0f) == 0;
    }

    private static bool PathMatches(ReadOnlySpan<byte> path, int start, byte[] key, int depth, int length)
    {
        for (int i = 0; i < length; i++)
        {
            if (Nibble(path, start + i) != Nibble(key, depth + i))
            {
                return false;
            }
        }

        return true;
    }

    private static int Nibble(ReadOnlySpan<byte> bytes, int index) => index % 2 == 0 ? bytes[index / 2] >> 4 : bytes[index / 2] & 0x0f;

    private enum Step
    {
        Broken,
        Nothing,
        Value,
        Hash,
        Inner,
    }
}

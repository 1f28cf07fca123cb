using System.Security.Cryptography;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// Verifies proofs of Diode L1's tree as relays send them (diode-blockquick §12.4): a leaf <c>[prefix, i, [key, value]…]</c>, or a
/// pair of which one side leads on and the other is a hash. Proofs are untrusted: what does not fit is
/// <see cref="ProofVerdict.Invalid"/>, nothing throws.
/// </summary>
public static class StateProof
{
    private const int KeyBits = 8 * Hash256.Length;
    private const int MaxEntries = 16;

    /// <summary>Verifies what a key has under the hash of the roots (a header's state hash, an account's storage root).</summary>
    /// <param name="rootHash">The hash that is trusted.</param>
    /// <param name="roots">The 16 roots told; they are checked against it.</param>
    /// <param name="key">Address (20 bytes) or slot (32 bytes).</param>
    /// <param name="proof">RLP of the proof.</param>
    /// <param name="value">The value; zero when the key is absent.</param>
    public static ProofVerdict Verify(
        in Hash256 rootHash, ReadOnlySpan<Hash256> roots, ReadOnlySpan<byte> key, ReadOnlySpan<byte> proof, out Hash256 value)
    {
        value = default;
        if (roots.Length != StateTree.RootCount || StateTree.HashRoots(roots) != rootHash)
        {
            return ProofVerdict.Invalid;
        }

        // Position and index come from the key, not from the proof: a leaf of another place hashes differently.
        Span<byte> path = stackalloc byte[Hash256.Length];
        SHA256.HashData(key, path);
        int index = path[^1] % StateTree.RootCount;
        if (!TryDescend(proof, path, out RlpReader leaf, out List<Hash256> siblings)
            || !TryReadLeaf(leaf, path, siblings.Count, index, key, out Hash256 hash, out bool isPresent, out Hash256 found))
        {
            return ProofVerdict.Invalid;
        }

        for (int depth = siblings.Count - 1; depth >= 0; depth--)
        {
            hash = StateTree.Bit(path, depth) ? TermWriter.HashList(siblings[depth], hash) : TermWriter.HashList(hash, siblings[depth]);
        }

        if (hash != roots[index])
        {
            return ProofVerdict.Invalid;
        }

        value = found;
        return isPresent ? ProofVerdict.Present : ProofVerdict.Absent;
    }

    private static bool TryDescend(ReadOnlySpan<byte> proof, ReadOnlySpan<byte> path, out RlpReader leaf, out List<Hash256> siblings)
    {
        siblings = [];
        if (!RlpReader.TryReadSingleList(proof, out leaf))
        {
            return false;
        }

        while (IsPair(leaf))
        {
            Hash256 sibling;
            RlpReader pair = leaf;
            RlpReader next = leaf;
            bool isRight = siblings.Count < KeyBits && StateTree.Bit(path, siblings.Count);
            bool isRead = isRight
                ? pair.TryReadHash(out sibling) & pair.TryReadList(out next)
                : pair.TryReadList(out next) & pair.TryReadHash(out sibling);
            if (!isRead || !pair.IsEmpty || siblings.Count >= KeyBits)
            {
                return false;
            }

            siblings.Add(sibling);
            leaf = next;
        }

        return true;
    }

    // A leaf begins with its prefix; a pair with a list, or a hash before the end.
    private static bool IsPair(RlpReader node)
    {
        return node.NextIsList || (node.TryReadHash(out _) && node.NextIsList && node.TryReadList(out _) && node.IsEmpty);
    }

    private static bool TryReadLeaf(
        RlpReader leaf,
        ReadOnlySpan<byte> path,
        int depth,
        int index,
        ReadOnlySpan<byte> key,
        out Hash256 hash,
        out bool isPresent,
        out Hash256 value)
    {
        hash = default;
        isPresent = false;
        value = default;
        if (!leaf.TryReadBytes(out _)
            || !leaf.TryReadInt32(out int told)
            || told != index
            || !leaf.TryCount(out int count)
            || count > MaxEntries)
        {
            return false;
        }

        var writer = new TermWriter();
        writer.BeginList(2 + count);
        writer.WriteBits(path, depth);
        writer.WriteNumber(index);
        while (!leaf.IsEmpty)
        {
            if (!leaf.TryReadList(out RlpReader entry)
                || !entry.TryReadBytes(out ReadOnlySpan<byte> entryKey)
                || !entry.TryReadHash(out Hash256 entryValue)
                || !entry.IsEmpty)
            {
                return false;
            }

            writer.BeginTuple(2);
            writer.WriteBinary(entryKey);
            writer.WriteBinary(entryValue);
            if (entryKey.SequenceEqual(key))
            {
                isPresent = true;
                value = entryValue;
            }
        }

        writer.EndList();
        hash = writer.Sha256();
        return true;
    }
}

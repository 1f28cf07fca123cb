using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// The hashes of Diode L1's binary Merkle tree of accounts and storage (diode-blockquick §12.3). Keys are placed by the bits of
/// their SHA-256, a node with more than 16 entries splits; each node has 16 hashes, so the tree has 16 roots.
/// </summary>
public static class StateTree
{
    /// <summary>Number of roots.</summary>
    public const int RootCount = 16;

    private const int MaxLeafEntries = 16;
    private const int KeyBits = 8 * Hash256.Length;

    /// <summary>Hash of the tree without entries.</summary>
    public static readonly Hash256 EmptyRoot = Hash256.Parse("0x438a90405daa876539082cd0baf6cddaa3bf880f1c8af0c0381f0042db93088a");

    /// <summary>Hash of the 16 roots: a header's state hash, an account's storage root.</summary>
    public static Hash256 HashRoots(ReadOnlySpan<Hash256> roots) => TermWriter.HashList(roots);

    /// <summary>Which of the roots covers a key.</summary>
    public static int RootIndex(ReadOnlySpan<byte> key) => SHA256.HashData(key)[^1] % RootCount;

    /// <summary>An account's value in the tree: SHA-256 of <see cref="EncodeAccount"/>.</summary>
    /// <param name="nonce">Transactions sent.</param>
    /// <param name="balance">Coins in wei.</param>
    /// <param name="storageRoot">Hash of the roots of its storage.</param>
    /// <param name="codeHash">SHA-256 of its code.</param>
    public static Hash256 HashAccount(in BigInteger nonce, in BigInteger balance, in Hash256 storageRoot, in Hash256 codeHash)
    {
        return Hash256.Sha256(EncodeAccount(nonce, balance, storageRoot, codeHash));
    }

    /// <summary>The RLP list of an account's four fields, in the order of the parameters.</summary>
    public static byte[] EncodeAccount(in BigInteger nonce, in BigInteger balance, in Hash256 storageRoot, in Hash256 codeHash)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBigInteger(nonce);
        writer.WriteBigInteger(balance);
        writer.WriteHash(storageRoot);
        writer.WriteHash(codeHash);
        writer.EndList();
        return writer.ToArray();
    }

    /// <summary>Computes the 16 roots of a tree; zero values are absent in it.</summary>
    /// <exception cref="ArgumentException">A key is there twice.</exception>
    public static Hash256[] ComputeRoots(IEnumerable<KeyValuePair<byte[], Hash256>> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        Entry[] all = [.. entries.Where(static e => !e.Value.IsZero).Select(static e => new Entry(SHA256.HashData(e.Key), e.Key, e.Value))];
        if (all.DistinctBy(static e => new Hash256(e.Path)).Count() != all.Length)
        {
            throw new ArgumentException("a key is there twice", nameof(entries));
        }

        Array.Sort(all, static (a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        return Node(all, new byte[Hash256.Length], 0);
    }

    internal static bool Bit(ReadOnlySpan<byte> path, int index) => (path[index / 8] & (0x80 >> (index % 8))) != 0;

    private static Hash256[] Node(Entry[] entries, byte[] prefix, int depth)
    {
        var hashes = new Hash256[RootCount];
        if (entries.Length <= MaxLeafEntries || depth == KeyBits)
        {
            for (int i = 0; i < RootCount; i++)
            {
                hashes[i] = Leaf([.. entries.Where(e => e.Path[^1] % RootCount == i)], prefix, depth, i);
            }

            return hashes;
        }

        byte[] rightPrefix = (byte[])prefix.Clone();
        rightPrefix[depth / 8] |= (byte)(0x80 >> (depth % 8));
        Hash256[] left = Node([.. entries.Where(e => !Bit(e.Path, depth))], prefix, depth + 1);
        Hash256[] right = Node([.. entries.Where(e => Bit(e.Path, depth))], rightPrefix, depth + 1);
        for (int i = 0; i < RootCount; i++)
        {
            hashes[i] = TermWriter.HashList(left[i], right[i]);
        }

        return hashes;
    }

    private static Hash256 Leaf(Entry[] entries, byte[] prefix, int bits, int index)
    {
        var writer = new TermWriter();
        writer.BeginList(2 + entries.Length);
        writer.WriteBits(prefix, bits);
        writer.WriteNumber(index);
        foreach (Entry entry in entries)
        {
            writer.BeginTuple(2);
            writer.WriteBinary(entry.Key);
            writer.WriteBinary(entry.Value);
        }

        writer.EndList();
        return writer.Sha256();
    }

    private sealed record Entry(byte[] Path, byte[] Key, Hash256 Value);
}

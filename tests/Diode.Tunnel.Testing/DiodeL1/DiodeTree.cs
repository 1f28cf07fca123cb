using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.DiodeL1;

/// <summary>A tree of Diode L1 as a node of the chain has it: roots, and proofs in the form of the wire (diode-blockquick §12.4).</summary>
internal sealed class DiodeTree(IEnumerable<KeyValuePair<byte[], Hash256>> entries)
{
    private const int LeafSize = 16;

    private readonly (byte[] Path, byte[] Key, Hash256 Value)[] _entries =
        [.. entries.Where(static e => !e.Value.IsZero).Select(static e => (SHA256.HashData(e.Key), e.Key, e.Value))
            .OrderBy(static e => Convert.ToHexString(e.Key), StringComparer.Ordinal)];

    public Hash256[] Roots => [.. Enumerable.Range(0, StateTree.RootCount).Select(i => Hash(_entries, new byte[Hash256.Length], 0, i))];

    public byte[] Prove(byte[] key)
    {
        byte[] path = SHA256.HashData(key);
        var writer = new RlpWriter();
        WriteProof(writer, _entries, path, 0, path[^1] % StateTree.RootCount);
        return writer.ToArray();
    }

    private static void WriteProof(RlpWriter writer, (byte[] Path, byte[] Key, Hash256 Value)[] entries, byte[] path, int depth, int index)
    {
        writer.BeginList();
        if (entries.Length <= LeafSize)
        {
            WriteLeaf(writer, [.. entries.Where(e => e.Path[^1] % StateTree.RootCount == index)], path, depth, index);
        }
        else
        {
            bool isRight = StateTree.Bit(path, depth);
            byte[] other = (byte[])path.Clone();
            other[depth / 8] ^= (byte)(0x80 >> (depth % 8));
            Hash256 sibling = Hash([.. entries.Where(e => StateTree.Bit(e.Path, depth) != isRight)], other, depth + 1, index);
            if (isRight)
            {
                writer.WriteHash(sibling);
            }

            WriteProof(writer, [.. entries.Where(e => StateTree.Bit(e.Path, depth) == isRight)], path, depth + 1, index);
            if (!isRight)
            {
                writer.WriteHash(sibling);
            }
        }

        writer.EndList();
    }

    private static void WriteLeaf(RlpWriter writer, (byte[] Path, byte[] Key, Hash256 Value)[] entries, byte[] path, int depth, int index)
    {
        writer.WriteBytes(depth % 8 == 0
            ? path[..(depth / 8)]
            : [.. Enumerable.Range(0, depth).Select(i => (byte)(StateTree.Bit(path, i) ? '1' : '0'))]);
        writer.WriteUInt64((ulong)index);
        foreach ((byte[] _, byte[] key, Hash256 value) in entries)
        {
            writer.BeginList();
            writer.WriteBytes(key);
            writer.WriteHash(value);
            writer.EndList();
        }
    }

    private static Hash256 Hash((byte[] Path, byte[] Key, Hash256 Value)[] entries, byte[] path, int depth, int index)
    {
        if (entries.Length > LeafSize)
        {
            byte[] right = (byte[])path.Clone();
            right[depth / 8] |= (byte)(0x80 >> (depth % 8));
            byte[] left = (byte[])path.Clone();
            left[depth / 8] &= (byte)~(0x80 >> (depth % 8));
            return TermWriter.HashList(
                Hash([.. entries.Where(e => !StateTree.Bit(e.Path, depth))], left, depth + 1, index),
                Hash([.. entries.Where(e => StateTree.Bit(e.Path, depth))], right, depth + 1, index));
        }

        (byte[] Path, byte[] Key, Hash256 Value)[] own = [.. entries.Where(e => e.Path[^1] % StateTree.RootCount == index)];
        var writer = new TermWriter();
        writer.BeginList(2 + own.Length);
        writer.WriteBits(path, depth);
        writer.WriteNumber(index);
        foreach ((byte[] _, byte[] key, Hash256 value) in own)
        {
            writer.BeginTuple(2);
            writer.WriteBinary(key);
            writer.WriteBinary(value);
        }

        writer.EndList();
        return writer.Sha256();
    }
}

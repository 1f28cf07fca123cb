using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Proofs;

/// <summary>Proofs out of tries built here, of every shape; the ones of a real node are verified by the tests on a real EVM node.</summary>
public sealed class MerklePatriciaTests
{
    private static readonly Hash256[] Keys = [.. Enumerable.Range(0, 300).Select(static i => Hash256.Sha256(BitConverter.GetBytes(i)))];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(17)]
    [InlineData(300)]
    public void Every_key_is_proven_and_every_other_is_absent(int count)
    {
        TestTrie trie = new([.. Keys.Take(count).Select(static (k, i) => (k, Value(i)))]);
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(ProofVerdict.Present, MerklePatricia.Verify(trie.Root, Keys[i], trie.Prove(Keys[i]), out ReadOnlySpan<byte> value));
            Assert.Equal(Value(i), value.ToArray());
        }

        for (int i = 0; i < 100; i++)
        {
            Hash256 other = Hash256.Sha256([1, 2, 3, (byte)i]);
            Assert.Equal(ProofVerdict.Absent, MerklePatricia.Verify(trie.Root, other, trie.Prove(other), out _));
        }
    }

    [Fact]
    public void Close_keys_share_extensions_and_embedded_nodes()
    {
        // Keys that differ in the last nibbles only, with values short enough for nodes inside nodes.
        Hash256[] keys = [.. new[] { "00", "01", "10", "11", "f0" }.Select(static end => Hash256.Parse("0x" + new string('a', 62) + end))];
        TestTrie trie = new([.. keys.Select(static (k, i) => (k, new byte[] { (byte)(i + 1) }))]);
        for (int i = 0; i < keys.Length; i++)
        {
            Assert.Equal(ProofVerdict.Present, MerklePatricia.Verify(trie.Root, keys[i], trie.Prove(keys[i]), out ReadOnlySpan<byte> value));
            Assert.Equal([(byte)(i + 1)], value.ToArray());
        }

        Hash256 absent = Hash256.Parse("0x" + new string('a', 62) + "12");
        Assert.Equal(ProofVerdict.Absent, MerklePatricia.Verify(trie.Root, absent, trie.Prove(absent), out _));
    }

    [Fact]
    public void Empty_tries_prove_absence()
    {
        Assert.Equal("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421", MerklePatricia.EmptyRoot.ToString());
        Assert.Equal(ProofVerdict.Absent, MerklePatricia.Verify(MerklePatricia.EmptyRoot, Keys[0], [], out _));
        Assert.Equal(ProofVerdict.Invalid, MerklePatricia.Verify(Keys[1], Keys[0], [], out _));
    }

    [Fact]
    public void Cut_and_foreign_proofs_show_nothing()
    {
        TestTrie trie = new([.. Keys.Select(static (k, i) => (k, Value(i)))]);
        List<byte[]> proof = trie.Prove(Keys[5]);
        Assert.True(proof.Count > 1);
        Assert.Equal(ProofVerdict.Invalid, MerklePatricia.Verify(trie.Root, Keys[5], proof[..^1], out _));
        Assert.Equal(ProofVerdict.Invalid, MerklePatricia.Verify(trie.Root, Keys[5], proof[1..], out _));
        Assert.Equal(ProofVerdict.Invalid, MerklePatricia.Verify(Hash256.Sha256([9]), Keys[5], proof, out _));

        // The proof of one key says nothing about another unless the ways part, which is absence only if that is so.
        int wrong = Keys.Skip(6).Count(k => MerklePatricia.Verify(trie.Root, k, proof, out _) == ProofVerdict.Absent);
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Damaged_proofs_never_throw_and_never_prove()
    {
        TestTrie trie = new([.. Keys.Select(static (k, i) => (k, Value(i)))]);
        List<byte[]> proof = trie.Prove(Keys[7]);
        for (int node = 0; node < proof.Count; node++)
        {
            var mutator = new InputMutator((ulong)node + 1, proof[node]);
            for (int i = 0; i < 1500; i++)
            {
                List<byte[]> damaged = [.. proof];
                damaged[node] = mutator.Next().ToArray();
                ProofVerdict verdict = MerklePatricia.Verify(trie.Root, Keys[7], damaged, out _);
                Assert.Equal(damaged[node].AsSpan().SequenceEqual(proof[node]), verdict == ProofVerdict.Present);
            }

            // With a root that fits, so that what is inside the node is walked, too.
            for (int i = 0; i < 1500; i++)
            {
                byte[] damaged = mutator.Next().ToArray();
                _ = MerklePatricia.Verify(Keccak256.Hash(damaged), Keys[7], [damaged], out _);
            }
        }
    }

    private static byte[] Value(int i) => [.. Enumerable.Repeat((byte)(i + 1), 1 + (i % 40))];

    /// <summary>A trie made the simple way: by the definition of the Yellow Paper, all at once.</summary>
    private sealed class TestTrie
    {
        private readonly (string Key, byte[] Value)[] _entries;
        private readonly Dictionary<string, byte[]> _nodes = [];

        public TestTrie((Hash256 Key, byte[] Value)[] entries)
        {
            _entries = [.. entries.Select(static e => (e.Key.ToString()[2..], e.Value))];
            Root = Keccak256.Hash(Node(_entries, 0));
        }

        public Hash256 Root { get; }

        public List<byte[]> Prove(Hash256 key)
        {
            List<byte[]> proof = [];
            string path = key.ToString()[2..];
            (string Key, byte[] Value)[] entries = _entries;
            int depth = 0;
            bool isNew = true;
            while (entries.Length > 0)
            {
                byte[] node = Node(entries, depth);
                if (isNew)
                {
                    proof.Add(node);
                }

                int common = Common(entries, depth);
                if (entries.Length == 1 || string.CompareOrdinal(path, depth, entries[0].Key, depth, common) != 0)
                {
                    break;
                }

                if (common > 0)
                {
                    depth += common;
                    isNew = Node(entries, depth).Length >= 32;
                    continue;
                }

                (string Key, byte[] Value)[] next = [.. entries.Where(e => e.Key[depth] == path[depth])];
                depth++;
                entries = next;
                isNew = next.Length > 0 && Node(next, depth).Length >= 32;
            }

            return proof;
        }

        private static int Common((string Key, byte[] Value)[] entries, int depth)
        {
            int common = 0;
            while (depth + common < 64 && entries.All(e => e.Key[depth + common] == entries[0].Key[depth + common]))
            {
                common++;
            }

            return common;
        }

        private byte[] Node((string Key, byte[] Value)[] entries, int depth)
        {
            string place = entries[0].Key[..depth];
            if (!_nodes.TryGetValue(place, out byte[]? node))
            {
                node = MakeNode(entries, depth);
                _nodes[place] = node;
            }

            return node;
        }

        private byte[] MakeNode((string Key, byte[] Value)[] entries, int depth)
        {
            var writer = new RlpWriter();
            writer.BeginList();
            int common = Common(entries, depth);
            if (entries.Length == 1)
            {
                writer.WriteBytes(Path(entries[0].Key[depth..], leaf: true));
                writer.WriteBytes(entries[0].Value);
            }
            else if (common > 0)
            {
                writer.WriteBytes(Path(entries[0].Key.Substring(depth, common), leaf: false));
                Reference(writer, Node(entries, depth + common));
            }
            else
            {
                foreach (char nibble in "0123456789abcdef")
                {
                    (string Key, byte[] Value)[] child = [.. entries.Where(e => e.Key[depth] == nibble)];
                    if (child.Length == 0)
                    {
                        writer.WriteBytes([]);
                    }
                    else
                    {
                        Reference(writer, Node(child, depth + 1));
                    }
                }

                writer.WriteBytes([]);
            }

            writer.EndList();
            return writer.ToArray();
        }

        private static void Reference(RlpWriter writer, byte[] node)
        {
            if (node.Length < 32)
            {
                writer.WriteRaw(node);
            }
            else
            {
                writer.WriteHash(Keccak256.Hash(node));
            }
        }

        private static byte[] Path(string nibbles, bool leaf)
        {
            int flag = leaf ? 2 : 0;
            return Convert.FromHexString(nibbles.Length % 2 == 1 ? $"{flag + 1}{nibbles}" : $"{flag}0{nibbles}");
        }
    }
}

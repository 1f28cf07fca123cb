using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.BlockQuick;

/// <summary>Proofs out of a tree of one leaf; deeper ones are in the conformance vectors.</summary>
public sealed class StateProofTests
{
    private const int Inputs = 100_000;

    // Up to 16 entries are one leaf; its sub-list of one index is the whole proof.
    private static readonly KeyValuePair<byte[], Hash256>[] Entries =
        [.. Enumerable.Range(1, 16).Select(static i => KeyValuePair.Create(Hash256.Sha256([(byte)i]).ToArray(), Hash256.Sha256([(byte)i, 1])))];

    private static readonly Hash256[] Roots = StateTree.ComputeRoots(Entries);
    private static readonly Hash256 RootHash = StateTree.HashRoots(Roots);

    [Fact]
    public void Damaged_proofs_never_throw_and_never_prove_another_value()
    {
        byte[] present = Entries[0].Key;
        byte[] absent = Hash256.Sha256([0, 0, 7]).ToArray();
        byte[] deep = [.. Enumerable.Repeat<byte>(0xc1, 60), 0xc0];
        var mutator = new InputMutator(13, Proof(present), Proof(absent), Pair(Proof(present)), deep);
        int proven = 0;
        for (int i = 0; i < Inputs; i++)
        {
            ReadOnlySpan<byte> proof = mutator.Next();
            ProofVerdict verdict = StateProof.Verify(RootHash, Roots, present, proof, out Hash256 value);
            Assert.NotEqual(ProofVerdict.Absent, verdict);
            Assert.Equal(verdict == ProofVerdict.Present ? Entries[0].Value : default, value);
            proven += verdict == ProofVerdict.Present ? 1 : 0;
            Assert.NotEqual(ProofVerdict.Present, StateProof.Verify(RootHash, Roots, absent, proof, out _));
        }

        Assert.InRange(proven, 100, Inputs / 10);
    }

    [Fact]
    public void Roots_must_be_the_ones_of_the_hash()
    {
        byte[] key = Entries[0].Key;
        Assert.Equal(ProofVerdict.Present, StateProof.Verify(RootHash, Roots, key, Proof(key), out _));
        Assert.Equal(ProofVerdict.Invalid, StateProof.Verify(StateTree.EmptyRoot, Roots, key, Proof(key), out _));
        Assert.Equal(ProofVerdict.Invalid, StateProof.Verify(RootHash, Roots.AsSpan(1), key, Proof(key), out _));
    }

    [Fact]
    public void Zero_values_are_absent_and_keys_are_there_once()
    {
        Assert.Equal(Roots, StateTree.ComputeRoots([.. Entries, KeyValuePair.Create(new byte[32], Hash256.Zero)]));
        Assert.Throws<ArgumentException>(() => StateTree.ComputeRoots([Entries[0], Entries[0]]));
    }

    private static byte[] Proof(byte[] key)
    {
        int index = StateTree.RootIndex(key);
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes([]);
        writer.WriteUInt64((ulong)index);
        foreach ((byte[] entry, Hash256 value) in Entries.Where(e => StateTree.RootIndex(e.Key) == index).OrderBy(static e => Convert.ToHexString(e.Key)))
        {
            writer.BeginList();
            writer.WriteBytes(entry);
            writer.WriteHash(value);
            writer.EndList();
        }

        writer.EndList();
        return writer.ToArray();
    }

    private static byte[] Pair(byte[] left)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteRaw(left);
        writer.WriteHash(RootHash);
        writer.EndList();
        return writer.ToArray();
    }
}

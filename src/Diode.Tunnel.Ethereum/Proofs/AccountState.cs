using System.Numerics;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Proofs;

/// <summary>An account as the state trie has it.</summary>
/// <param name="Nonce">Transactions sent, or contracts created.</param>
/// <param name="Balance">Coins in wei.</param>
/// <param name="StorageRoot">Root of its storage.</param>
/// <param name="CodeHash">Keccak of its code.</param>
public sealed record AccountState(BigInteger Nonce, BigInteger Balance, Hash256 StorageRoot, Hash256 CodeHash)
{
    /// <summary>Code hash of an account that is no contract.</summary>
    public static readonly Hash256 NoCode = Keccak256.Hash([]);

    /// <summary>Whether there is a contract.</summary>
    public bool IsContract => CodeHash != NoCode;

    /// <summary>Verifies an account's proof against the state root of a header. Null with <see cref="ProofVerdict.Absent"/>.</summary>
    public static ProofVerdict Verify(
        in Hash256 stateRoot, Address address, IReadOnlyList<byte[]> proof, out AccountState? account)
    {
        account = null;
        ProofVerdict verdict = MerklePatricia.Verify(stateRoot, Keccak256.Hash(address.ToArray()), proof, out ReadOnlySpan<byte> value);
        if (verdict != ProofVerdict.Present)
        {
            return verdict;
        }

        if (!RlpReader.TryReadSingleList(value, out RlpReader members)
            || !members.TryReadBytes(out ReadOnlySpan<byte> nonce)
            || !members.TryReadBytes(out ReadOnlySpan<byte> balance)
            || !members.TryReadHash(out Hash256 storage)
            || !members.TryReadHash(out Hash256 code)
            || !members.IsEmpty)
        {
            return ProofVerdict.Invalid;
        }

        account = new AccountState(Number(nonce), Number(balance), storage, code);
        return ProofVerdict.Present;
    }

    /// <summary>Verifies a word of storage against the storage root of an account; absent words are zero.</summary>
    public static bool TryVerifyStorage(in Hash256 storageRoot, in Hash256 slot, IReadOnlyList<byte[]> proof, out Hash256 value)
    {
        value = default;
        ProofVerdict verdict = MerklePatricia.Verify(storageRoot, Keccak256.Hash(slot.ToArray()), proof, out ReadOnlySpan<byte> encoded);
        if (verdict != ProofVerdict.Present)
        {
            return verdict == ProofVerdict.Absent;
        }

        // Zero has no place in a trie; development nodes keep it there all the same, as the empty number.
        var reader = new RlpReader(encoded);
        if (!reader.TryReadBytes(out ReadOnlySpan<byte> number) || !reader.IsEmpty || number.Length > Hash256.Length)
        {
            return false;
        }

        Span<byte> word = stackalloc byte[Hash256.Length];
        word.Clear();
        number.CopyTo(word[(Hash256.Length - number.Length)..]);
        value = new Hash256(word);
        return true;
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true, isBigEndian: true);
}

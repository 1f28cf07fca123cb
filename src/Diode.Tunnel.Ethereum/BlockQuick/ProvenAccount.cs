using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// An account of Diode L1, proven by a header's state hash (diode-blockquick §12.5): state hash ← 16 roots ← account ← storage root
/// ← 16 roots ← value. Immutable.
/// </summary>
/// <param name="Nonce">Transactions sent.</param>
/// <param name="Balance">Coins in wei.</param>
/// <param name="StorageRoot">Hash of the roots of its storage.</param>
/// <param name="CodeHash">SHA-256 of its code.</param>
public sealed record ProvenAccount(BigInteger Nonce, BigInteger Balance, Hash256 StorageRoot, Hash256 CodeHash)
{
    private const int MaxNumberLength = 32;
    private static readonly Hash256 NoCode = Hash256.Sha256([]);

    /// <summary>Whether there is code.</summary>
    public bool IsContract => CodeHash != NoCode;

    /// <summary>Reads the answer to <c>getaccount</c> and verifies it; false for anything that is not proven. Nothing throws.</summary>
    /// <param name="stateHash">Of a header that is trusted.</param>
    /// <param name="roots">The answer to <c>getstateroots</c> for that block.</param>
    /// <param name="account">The address asked for.</param>
    /// <param name="answer">What follows the word <c>response</c>: pairs and proof.</param>
    /// <param name="proven">The account.</param>
    public static bool TryRead(
        in Hash256 stateHash, ReadOnlySpan<Hash256> roots, Address account, RlpReader answer, [NotNullWhen(true)] out ProvenAccount? proven)
    {
        proven = null;
        Span<byte> key = stackalloc byte[Address.Length];
        account.CopyTo(key);
        if (!answer.TryReadList(out RlpReader pairs)
            || !TryReadPairs(pairs, out ProvenAccount? told)
            || !answer.TryReadRaw(out ReadOnlySpan<byte> proof)
            || !answer.IsEmpty
            || StateProof.Verify(stateHash, roots, key, proof, out Hash256 value) != ProofVerdict.Present
            || value != StateTree.HashAccount(told.Nonce, told.Balance, told.StorageRoot, told.CodeHash))
        {
            return false;
        }

        proven = told;
        return true;
    }

    /// <summary>Verifies the answer to <c>getaccountvalue</c>; an absent value is proven to be zero.</summary>
    /// <param name="roots">The answer to <c>getaccountroots</c> for the same block.</param>
    /// <param name="slot">The slot asked for.</param>
    /// <param name="proof">RLP of the proof.</param>
    /// <param name="value">The value.</param>
    public bool TryReadValue(ReadOnlySpan<Hash256> roots, in Hash256 slot, ReadOnlySpan<byte> proof, out Hash256 value)
    {
        return StateProof.Verify(StorageRoot, roots, slot.ToArray(), proof, out value) != ProofVerdict.Invalid;
    }

    private static bool TryReadPairs(RlpReader pairs, [NotNullWhen(true)] out ProvenAccount? account)
    {
        account = null;
        BigInteger? nonce = null;
        BigInteger? balance = null;
        Hash256? root = null;
        Hash256? code = null;
        while (!pairs.IsEmpty)
        {
            if (!pairs.TryReadList(out RlpReader pair)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> key)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> value)
                || !pair.IsEmpty
                || value.Length > MaxNumberLength)
            {
                return false;
            }

            bool isHash = Hash256.TryRead(value, out Hash256 hash);
            if (key.SequenceEqual("nonce"u8))
            {
                nonce = new BigInteger(value, isUnsigned: true, isBigEndian: true);
            }
            else if (key.SequenceEqual("balance"u8))
            {
                balance = new BigInteger(value, isUnsigned: true, isBigEndian: true);
            }
            else if (key.SequenceEqual("storage_root"u8) && isHash)
            {
                root = hash;
            }
            else if (key.SequenceEqual("code"u8) && isHash)
            {
                code = hash;
            }
        }

        account = nonce is { } n && balance is { } b && root is { } r && code is { } c ? new ProvenAccount(n, b, r, c) : null;
        return account is not null;
    }
}

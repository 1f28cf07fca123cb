using System.Numerics;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Transactions;

/// <summary>A transaction to be signed: EIP-1559 when it has <see cref="MaxPriorityFee"/>, else the older form of EIP-155.</summary>
public sealed record EthereumTransaction
{
    private const byte DynamicFeeType = 2;
    private const ulong Eip155Offset = 35;

    /// <summary>The chain it is for; nowhere else is it valid.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Number of transactions the sender made before.</summary>
    public required ulong Nonce { get; init; }

    /// <summary>Receiver; null creates a contract.</summary>
    public Address? To { get; init; }

    /// <summary>Coins in wei.</summary>
    public BigInteger Value { get; init; }

    /// <summary>Call data or creation code.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Most gas it may use.</summary>
    public required ulong GasLimit { get; init; }

    /// <summary>Gas price, or most that is paid per gas for a transaction with <see cref="MaxPriorityFee"/>; wei.</summary>
    public required BigInteger GasPrice { get; init; }

    /// <summary>Tip per gas of an EIP-1559 transaction in wei; null for the older form.</summary>
    public BigInteger? MaxPriorityFee { get; init; }

    /// <summary>Most it can cost in wei, coins sent included.</summary>
    public BigInteger MostCost => Value + (GasPrice * GasLimit);

    /// <summary>What is signed.</summary>
    public Hash256 SigningHash() => Keccak256.Hash(Encode(null));

    /// <summary>Signs it.</summary>
    public SignedTransaction Sign(PrivateKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        byte[] raw = Encode(key.SignHash(SigningHash()));
        return new SignedTransaction(raw, Keccak256.Hash(raw), key.Address);
    }

    private byte[] Encode(Signature65? signature)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        if (MaxPriorityFee is { } tip)
        {
            writer.WriteUInt64(ChainId);
            writer.WriteUInt64(Nonce);
            writer.WriteBigInteger(tip);
            WriteCall(writer);
            writer.BeginList();
            writer.EndList();
            if (signature is { } signed)
            {
                writer.WriteUInt64(signed.RecoveryId);
                WriteNumbers(writer, signed);
            }

            writer.EndList();
            return [DynamicFeeType, .. writer.WrittenSpan];
        }

        writer.WriteUInt64(Nonce);
        WriteCall(writer);
        if (signature is { } legacy)
        {
            writer.WriteUInt64(legacy.RecoveryId + Eip155Offset + (2 * ChainId));
            WriteNumbers(writer, legacy);
        }
        else
        {
            writer.WriteUInt64(ChainId);
            writer.WriteUInt64(0);
            writer.WriteUInt64(0);
        }

        writer.EndList();
        return writer.ToArray();
    }

    private void WriteCall(RlpWriter writer)
    {
        writer.WriteBigInteger(GasPrice);
        writer.WriteUInt64(GasLimit);
        if (To is { } to)
        {
            writer.WriteAddress(to);
        }
        else
        {
            writer.WriteBytes([]);
        }

        writer.WriteBigInteger(Value);
        writer.WriteBytes(Data.Span);
    }

    private static void WriteNumbers(RlpWriter writer, in Signature65 signature)
    {
        writer.WriteBigInteger(new BigInteger(signature.R.ToArray(), isUnsigned: true, isBigEndian: true));
        writer.WriteBigInteger(new BigInteger(signature.S.ToArray(), isUnsigned: true, isBigEndian: true));
    }
}

using System.Numerics;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>The six signed fields of a Diode L1 header, called the egg (diode-blockquick §12.1).</summary>
/// <param name="PreviousBlock">Hash of the block before.</param>
/// <param name="StateHash">Hash of the 16 roots of the account tree after this block.</param>
/// <param name="TransactionHash">Root of the transactions.</param>
/// <param name="Timestamp">Unix seconds.</param>
/// <param name="Number">Block number.</param>
/// <param name="Nonce">Not negative, at most <see cref="MaxNonceLength"/> bytes.</param>
public sealed record UnsignedHeader(
    Hash256 PreviousBlock, Hash256 StateHash, Hash256 TransactionHash, ulong Timestamp, ulong Number, BigInteger Nonce)
{
    /// <summary>The longest nonce read, in bytes. The chain's are hashes of 32 bytes.</summary>
    public const int MaxNonceLength = 64;

    internal const int Fields = 6;

    /// <summary>What the miner signs: SHA-256 of <see cref="Encode"/>.</summary>
    public Hash256 Digest => Hash256.Sha256(Encode());

    /// <summary>The BERT list of the fields.</summary>
    public byte[] Encode()
    {
        var writer = new TermWriter();
        writer.BeginList(Fields);
        WriteFields(writer);
        writer.EndList();
        return writer.ToArray();
    }

    internal void WriteFields(TermWriter writer)
    {
        writer.WriteBinary(PreviousBlock);
        writer.WriteBinary(StateHash);
        writer.WriteBinary(TransactionHash);
        writer.WriteNumber(Timestamp);
        writer.WriteNumber(Number);
        writer.WriteNumber(Nonce);
    }
}

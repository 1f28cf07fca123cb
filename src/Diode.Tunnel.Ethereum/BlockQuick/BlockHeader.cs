using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// A header of Diode L1 with the signature of its miner (diode-blockquick §12.1). Hash and miner are computed here, never taken
/// over, so every instance is a header somebody signed. Immutable.
/// </summary>
public sealed class BlockHeader
{
    private BlockHeader(UnsignedHeader fields, Signature65 signature, PublicKey minerKey, Hash256 hash)
    {
        Fields = fields;
        Signature = signature;
        MinerKey = minerKey;
        Hash = hash;
    }

    /// <summary>What was signed.</summary>
    public UnsignedHeader Fields { get; }

    /// <summary>The miner's signature over <see cref="UnsignedHeader.Digest"/>.</summary>
    public Signature65 Signature { get; }

    /// <summary>The key recovered from the signature.</summary>
    public PublicKey MinerKey { get; }

    /// <summary>The account of the miner.</summary>
    public Address Miner => MinerKey.Address;

    /// <summary>SHA-256 of <see cref="Encode()"/>: neither Keccak nor RLP.</summary>
    public Hash256 Hash { get; }

    /// <summary>Block number.</summary>
    public ulong Number => Fields.Number;

    /// <summary>Hash of the block before.</summary>
    public Hash256 PreviousBlock => Fields.PreviousBlock;

    /// <summary>Puts fields and signature together; false when no key made this signature.</summary>
    public static bool TryCreate(UnsignedHeader fields, in Signature65 signature, [NotNullWhen(true)] out BlockHeader? header)
    {
        ArgumentNullException.ThrowIfNull(fields);
        header = signature.TryRecover(fields.Digest, out PublicKey? miner)
            ? new BlockHeader(fields, signature, miner, HashOf(fields, signature))
            : null;
        return header is not null;
    }

    /// <summary>The BERT list of the signed fields and the signature.</summary>
    public byte[] Encode() => Encode(Fields, Signature);

    internal static Hash256 HashOf(UnsignedHeader fields, in Signature65 signature) => Hash256.Sha256(Encode(fields, signature));

    private static byte[] Encode(UnsignedHeader fields, in Signature65 signature)
    {
        Span<byte> bytes = stackalloc byte[Signature65.Length];
        signature.CopyTo(bytes);
        var writer = new TermWriter();
        writer.BeginList(UnsignedHeader.Fields + 1);
        fields.WriteFields(writer);
        writer.WriteBinary(bytes);
        writer.EndList();
        return writer.ToArray();
    }
}

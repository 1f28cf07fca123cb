using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>
/// A small signed value in the DHT: <c>["data", block_number, name, value, SIG65]</c> (reference §5.6). Signed words:
/// "data", block number twice, name, value, each right-aligned. Immutable.
/// </summary>
public sealed class DataObject
{
    private const int MaxField = Hash256.Length;

    private readonly byte[] _name;
    private readonly byte[] _value;

    private DataObject(ulong blockNumber, byte[] name, byte[] value, Signature65 signature, Address owner)
    {
        BlockNumber = blockNumber;
        _name = name;
        _value = value;
        Signature = signature;
        Owner = owner;
    }

    /// <summary>Age number: newest wins.</summary>
    public ulong BlockNumber { get; }

    /// <summary>The name, at most 32 bytes.</summary>
    public ReadOnlySpan<byte> Name => _name;

    /// <summary>The value, at most 32 bytes.</summary>
    public ReadOnlySpan<byte> Value => _value;

    /// <summary>The signature that was read or made.</summary>
    public Signature65 Signature { get; }

    /// <summary>Who signed.</summary>
    public Address Owner { get; }

    /// <summary>The object key.</summary>
    public Hash256 Key => ObjectKeys.ForData(Owner, _name);

    /// <summary>Makes and signs an object.</summary>
    /// <exception cref="ArgumentException">Name or value is longer than 32 bytes.</exception>
    public static DataObject Create(
        PrivateKey owner, ulong blockNumber, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.Length > MaxField || value.Length > MaxField)
        {
            throw new ArgumentException("name and value of a data object are at most 32 bytes long");
        }

        Signature65 signature = owner.SignHash(GetDigest(blockNumber, name, value));
        return new DataObject(blockNumber, name.ToArray(), value.ToArray(), signature, owner.Address);
    }

    /// <summary>Reads the RLP form; false when it is damaged or nobody can have signed it.</summary>
    public static bool TryReadRlp(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out DataObject? data)
    {
        data = null;
        if (!RlpReader.TryReadSingleList(encoded, out RlpReader fields)
            || !fields.TryReadBytes(out ReadOnlySpan<byte> tag)
            || !tag.SequenceEqual("data"u8)
            || !fields.TryReadUInt64(out ulong blockNumber)
            || !fields.TryReadBytes(out ReadOnlySpan<byte> name)
            || !fields.TryReadBytes(out ReadOnlySpan<byte> value)
            || name.Length > MaxField
            || value.Length > MaxField
            || !fields.TryReadBytes(out ReadOnlySpan<byte> bytes)
            || !fields.IsEmpty
            || !Signature65.TryFromBytes(bytes, out Signature65 signature)
            || !signature.TryRecoverAddress(GetDigest(blockNumber, name, value), out Address owner))
        {
            return false;
        }

        data = new DataObject(blockNumber, name.ToArray(), value.ToArray(), signature, owner);
        return true;
    }

    /// <summary>Reads the form of peers and the DHT.</summary>
    public static bool TryReadBert(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out DataObject? data)
    {
        data = null;
        return BertDecoder.TryDecode(encoded, BertAtoms.Known, out BertTerm? term)
            && ObjectTerms.TryToRlp(term, out byte[] rlp)
            && TryReadRlp(rlp, out data);
    }

    /// <summary>Writes the RLP form.</summary>
    public void WriteRlp(RlpWriter rlp)
    {
        rlp.BeginList();
        rlp.WriteBytes("data"u8);
        rlp.WriteUInt64(BlockNumber);
        rlp.WriteBytes(_name);
        rlp.WriteBytes(_value);
        rlp.WriteBytes(Signature.ToArray());
        rlp.EndList();
    }

    /// <summary>The form of peers and the DHT.</summary>
    public byte[] EncodeBert()
    {
        return BertEncoder.Encode(BertTerm.FromList(
            BertTerm.FromText("data"),
            BertTerm.FromNumber(BlockNumber),
            BertTerm.FromBinary(_name),
            BertTerm.FromBinary(_value),
            BertTerm.FromBinary(Signature.ToArray())));
    }

    private static Hash256 GetDigest(ulong blockNumber, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Span<byte> words = stackalloc byte[5 * SignedWords.WordLength];
        SignedWords.Write(words, 0, "data"u8);
        SignedWords.Write(words, 1, blockNumber);
        SignedWords.Write(words, 2, blockNumber);
        SignedWords.Write(words, 3, name);
        SignedWords.Write(words, 4, value);
        return Keccak256.Hash(words);
    }
}

using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Ethereum.Abi;

/// <summary>
/// Encodes the call of a contract function: selector, 32-byte words, then the dynamic values in order. Write one
/// argument after the other, then <see cref="ToArray"/>. Not thread-safe.
/// </summary>
public sealed class AbiWriter
{
    /// <summary>Length of a word.</summary>
    public const int WordLength = 32;

    private const int SelectorLength = 4;

    private readonly byte[] _selector;
    private readonly List<byte[]> _heads = [];
    private readonly List<(int Head, byte[] Tail)> _tails = [];

    /// <summary>Starts a call.</summary>
    /// <param name="signature">As in <c>transfer(address,uint256)</c>.</param>
    public AbiWriter(string signature)
    {
        _selector = Selector(signature);
    }

    private AbiWriter(byte[] prefix)
    {
        _selector = prefix;
    }

    /// <summary>Starts a value of its own without selector: what a constructor takes, or an element of a list.</summary>
    public static AbiWriter Values() => new([]);

    /// <summary>The four bytes that name a function.</summary>
    public static byte[] Selector(string signature)
    {
        Span<byte> hash = stackalloc byte[Hash256.Length];
        Keccak256.Hash(Encoding.ASCII.GetBytes(signature), hash);
        return hash[..SelectorLength].ToArray();
    }

    /// <summary>An <c>address</c>.</summary>
    public AbiWriter WriteAddress(Address address)
    {
        byte[] word = new byte[WordLength];
        address.CopyTo(word.AsSpan(WordLength - Address.Length));
        _heads.Add(word);
        return this;
    }

    /// <summary>Any <c>uint</c>, and a <c>bool</c> as 0 or 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or more than 256 bits.</exception>
    public AbiWriter WriteUInt(BigInteger value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value.Sign, nameof(value));
        byte[] digits = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(digits.Length, WordLength, nameof(value));
        byte[] word = new byte[WordLength];
        digits.CopyTo(word, WordLength - digits.Length);
        _heads.Add(word);
        return this;
    }

    /// <summary>A <c>bytes32</c>.</summary>
    public AbiWriter WriteWord(in Hash256 word)
    {
        _heads.Add(word.ToArray());
        return this;
    }

    /// <summary>A <c>bool</c>.</summary>
    public AbiWriter WriteBool(bool value) => WriteUInt(value ? BigInteger.One : BigInteger.Zero);

    /// <summary>A <c>bytes</c>, or a <c>string</c> in UTF-8.</summary>
    public AbiWriter WriteBytes(ReadOnlySpan<byte> value)
    {
        int padded = (value.Length + WordLength - 1) / WordLength * WordLength;
        byte[] tail = new byte[WordLength + padded];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(tail.AsSpan(WordLength - sizeof(int)), value.Length);
        value.CopyTo(tail.AsSpan(WordLength));
        return WriteTail(tail);
    }

    /// <summary>A <c>string</c>.</summary>
    public AbiWriter WriteString(string value) => WriteBytes(Encoding.UTF8.GetBytes(value));

    /// <summary>An <c>address[]</c>.</summary>
    public AbiWriter WriteAddresses(IReadOnlyCollection<Address> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return WriteList(values.Count, list =>
        {
            foreach (Address value in values)
            {
                list.WriteAddress(value);
            }
        });
    }

    /// <summary>A <c>bytes32[]</c>.</summary>
    public AbiWriter WriteWords(IReadOnlyCollection<Hash256> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return WriteList(values.Count, list =>
        {
            foreach (Hash256 value in values)
            {
                list.WriteWord(value);
            }
        });
    }

    /// <summary>A <c>string[]</c>.</summary>
    public AbiWriter WriteStrings(IReadOnlyCollection<string> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return WriteList(values.Count, list =>
        {
            foreach (string value in values)
            {
                list.WriteString(value);
            }
        });
    }

    private AbiWriter WriteList(int count, Action<AbiWriter> writeItems)
    {
        AbiWriter items = Values();
        writeItems(items);
        byte[] length = new byte[WordLength];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length.AsSpan(WordLength - sizeof(int)), count);
        return WriteTail([.. length, .. items.ToArray()]);
    }

    private AbiWriter WriteTail(byte[] tail)
    {
        _tails.Add((_heads.Count, tail));
        _heads.Add(new byte[WordLength]);
        return this;
    }

    /// <summary>The call data.</summary>
    public byte[] ToArray()
    {
        int offset = _heads.Count * WordLength;
        foreach ((int head, byte[] tail) in _tails)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(
                _heads[head].AsSpan(WordLength - sizeof(int)), offset);
            offset += tail.Length;
        }

        return [.. _selector, .. _heads.SelectMany(word => word), .. _tails.SelectMany(tail => tail.Tail)];
    }
}

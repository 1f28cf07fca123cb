using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// A call whose sender is proven by a signature (diode-client §14.3): only so does a contract on Sapphire see who asks. The leash ties it to a few
/// blocks, so that it cannot be asked again later by somebody else. Immutable and pure.
/// </summary>
public sealed record SapphireQuery
{
    /// <summary>Gas that the Diode client grants.</summary>
    public const ulong DefaultGas = 2_000_000;

    private const string LeashType = "Leash(uint64 nonce,uint64 blockNumber,bytes32 blockHash,uint64 blockRange)";
    private const string CallType =
        "Call(address from,address to,uint64 gasLimit,uint256 gasPrice,uint256 value,bytes data,Leash leash)" + LeashType;

    private static readonly Hash256 DomainTypeHash = Hash("EIP712Domain(string name,string version,uint256 chainId)");
    private static readonly Hash256 NameHash = Hash("oasis-runtime-sdk/evm: signed query");
    private static readonly Hash256 VersionHash = Hash("1.0.0");
    private static readonly Hash256 CallTypeHash = Hash(CallType);
    private static readonly Hash256 LeashTypeHash = Hash(LeashType);

    /// <summary>The chain.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Who asks, and signs.</summary>
    public required Address From { get; init; }

    /// <summary>The contract.</summary>
    public required Address To { get; init; }

    /// <summary>Call data in clear.</summary>
    public required byte[] Data { get; init; }

    /// <summary>When it may be asked.</summary>
    public required SapphireLeash Leash { get; init; }

    /// <summary>Most gas.</summary>
    public ulong GasLimit { get; init; } = DefaultGas;

    /// <summary>Price of gas in wei; a call pays nothing.</summary>
    public BigInteger GasPrice { get; init; }

    /// <summary>Coins sent, in wei.</summary>
    public BigInteger Value { get; init; }

    /// <summary>What is signed: EIP-712.</summary>
    public Hash256 Digest()
    {
        Hash256 domain = Words(DomainTypeHash, NameHash, VersionHash, Number(ChainId));
        Hash256 leash = Words(LeashTypeHash, Number(Leash.Nonce), Number(Leash.BlockNumber), Leash.BlockHash, Number(Leash.BlockRange));
        Hash256 call = Words(
            CallTypeHash, Word(From), Word(To), Number(GasLimit), Number(GasPrice), Number(Value), Keccak256.Hash(Data), leash);
        Span<byte> text = stackalloc byte[2 + (2 * Hash256.Length)];
        (text[0], text[1]) = (0x19, 0x01);
        domain.CopyTo(text[2..]);
        call.CopyTo(text[(2 + Hash256.Length)..]);
        return Keccak256.Hash(text);
    }

    /// <summary>Signs and packs: the data of an <c>eth_call</c>.</summary>
    /// <param name="key">The key of <see cref="From"/>.</param>
    /// <param name="encrypted">The call data as <see cref="SapphireEnvelope.Encrypt"/> gave them.</param>
    public byte[] Pack(PrivateKey key, ReadOnlySpan<byte> encrypted)
    {
        ArgumentNullException.ThrowIfNull(key);
        Signature65 signature = key.SignHash(Digest());

        // Here the recovery id stands behind r and s, and counts from 27.
        Span<byte> bytes = stackalloc byte[Signature65.Length];
        signature.R.CopyTo(bytes);
        signature.S.CopyTo(bytes[Hash256.Length..]);
        bytes[^1] = (byte)(signature.RecoveryId + 27);
        return new CborWriter().BeginMap(3)
            .WriteText("data").WriteEncoded(encrypted)
            .WriteText("leash").BeginMap(4)
            .WriteText("nonce").WriteUInt(Leash.Nonce)
            .WriteText("block_hash").WriteBytes(Leash.BlockHash.ToArray())
            .WriteText("block_range").WriteUInt(Leash.BlockRange)
            .WriteText("block_number").WriteUInt(Leash.BlockNumber)
            .WriteText("signature").WriteBytes(bytes).ToArray();
    }

    private static Hash256 Hash(string text) => Keccak256.Hash(Encoding.ASCII.GetBytes(text));

    private static Hash256 Words(params ReadOnlySpan<Hash256> words)
    {
        byte[] bytes = new byte[words.Length * Hash256.Length];
        for (int i = 0; i < words.Length; i++)
        {
            words[i].CopyTo(bytes.AsSpan(i * Hash256.Length));
        }

        return Keccak256.Hash(bytes);
    }

    private static Hash256 Word(Address address)
    {
        Span<byte> word = stackalloc byte[Hash256.Length];
        word.Clear();
        address.CopyTo(word[(Hash256.Length - Address.Length)..]);
        return new Hash256(word);
    }

    private static Hash256 Number(BigInteger value)
    {
        Span<byte> word = stackalloc byte[Hash256.Length];
        word.Clear();
        byte[] digits = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        digits.CopyTo(word[(Hash256.Length - digits.Length)..]);
        return new Hash256(word);
    }
}

/// <summary>The blocks a query may be asked in.</summary>
/// <param name="Nonce">Transactions of the sender so far.</param>
/// <param name="BlockNumber">A recent block.</param>
/// <param name="BlockHash">Its hash.</param>
/// <param name="BlockRange">How many blocks after it.</param>
public readonly record struct SapphireLeash(ulong Nonce, ulong BlockNumber, Hash256 BlockHash, ulong BlockRange);

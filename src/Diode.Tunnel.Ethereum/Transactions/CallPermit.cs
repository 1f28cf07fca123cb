using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Transactions;

/// <summary>
/// A call that its sender signs and somebody else sends and pays for (diode-contracts §11.9, no. 3): EIP-712 data for the CallPermit
/// contract that some chains have.
/// </summary>
public sealed record CallPermit
{
    /// <summary>Where the contract is, on every chain that has it.</summary>
    public static readonly Address Contract = Address.Parse("0x000000000000000000000000000000000000080a");

    private const ulong FirstRecoveryId = 27;

    private static readonly Hash256 DomainType =
        Hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    private static readonly Hash256 PermitType =
        Hash("CallPermit(address from,address to,uint256 value,bytes data,uint64 gaslimit,uint256 nonce,uint256 deadline)");

    /// <summary>The chain it is for; nowhere else is it valid.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Who signs, and seems to call.</summary>
    public required Address From { get; init; }

    /// <summary>The contract that is called.</summary>
    public required Address To { get; init; }

    /// <summary>Coins of the sender in wei.</summary>
    public BigInteger Value { get; init; }

    /// <summary>Call data.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Most gas the call may use.</summary>
    public required ulong GasLimit { get; init; }

    /// <summary>How many permits of the sender were used before; see <see cref="Nonces"/>.</summary>
    public required BigInteger Nonce { get; init; }

    /// <summary>Until when it counts, Unix seconds.</summary>
    public required ulong Deadline { get; init; }

    /// <summary>Asks the contract for the number of permits used so far: one word.</summary>
    public static byte[] Nonces(Address sender) => new AbiWriter("nonces(address)").WriteAddress(sender).ToArray();

    /// <summary>What is signed.</summary>
    public Hash256 Digest()
    {
        byte[] domain = AbiWriter.Values().WriteWord(DomainType).WriteWord(Hash("Call Permit Precompile")).WriteWord(Hash("1"))
            .WriteUInt(ChainId).WriteAddress(Contract).ToArray();
        byte[] permit = AbiWriter.Values().WriteWord(PermitType).WriteAddress(From).WriteAddress(To).WriteUInt(Value)
            .WriteWord(Keccak256.Hash(Data.Span)).WriteUInt(GasLimit).WriteUInt(Nonce).WriteUInt(Deadline).ToArray();
        return Keccak256.Hash([0x19, 0x01, .. Keccak256.Hash(domain).ToArray(), .. Keccak256.Hash(permit).ToArray()]);
    }

    /// <summary>Signs it: the RLP that relays take as a meta transaction.</summary>
    public byte[] Sign(PrivateKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        Signature65 signature = key.SignHash(Digest());
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteAddress(From);
        writer.WriteAddress(To);
        writer.WriteBigInteger(Value);
        writer.WriteBytes(Data.Span);
        writer.WriteUInt64(GasLimit);
        writer.WriteUInt64(Deadline);
        writer.WriteUInt64(FirstRecoveryId + signature.RecoveryId);
        writer.WriteBigInteger(new BigInteger(signature.R.ToArray(), isUnsigned: true, isBigEndian: true));
        writer.WriteBigInteger(new BigInteger(signature.S.ToArray(), isUnsigned: true, isBigEndian: true));
        writer.EndList();
        return writer.ToArray();
    }

    private static Hash256 Hash(string text) => Keccak256.Hash(Encoding.UTF8.GetBytes(text));
}

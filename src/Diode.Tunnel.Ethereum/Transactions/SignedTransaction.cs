using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.Transactions;

/// <summary>A signed transaction.</summary>
/// <param name="Raw">As it is sent.</param>
/// <param name="Hash">Its name on the chain; the Diode L1 takes SHA-256 of <paramref name="Raw"/> instead.</param>
/// <param name="Sender">Who signed.</param>
public sealed record SignedTransaction(byte[] Raw, Hash256 Hash, Address Sender)
{
    /// <summary>Where a contract comes to be that <paramref name="sender"/> creates with this nonce.</summary>
    public static Address ContractAddress(Address sender, ulong nonce)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteAddress(sender);
        writer.WriteUInt64(nonce);
        writer.EndList();
        return new Address(Keccak256.Hash(writer.WrittenSpan).ToArray().AsSpan(Hash256.Length - Address.Length));
    }
}

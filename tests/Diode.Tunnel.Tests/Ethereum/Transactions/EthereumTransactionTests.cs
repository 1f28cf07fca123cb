using System.Numerics;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Transactions;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Transactions;

public sealed class EthereumTransactionTests
{
    /// <summary>The example of EIP-155.</summary>
    [Fact]
    public void Older_form_is_that_of_eip_155()
    {
        Assert.True(PrivateKey.TryFromBytes(Convert.FromHexString(string.Concat(Enumerable.Repeat("46", 32))), out PrivateKey? key));
        var transaction = new EthereumTransaction
        {
            ChainId = 1,
            Nonce = 9,
            GasPrice = 20_000_000_000,
            GasLimit = 21000,
            To = Address.Parse("0x" + string.Concat(Enumerable.Repeat("35", 20))),
            Value = BigInteger.Pow(10, 18),
        };
        Assert.Equal("0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53", transaction.SigningHash().ToString());
        Assert.Equal(
            "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
            Convert.ToHexStringLower(transaction.Sign(key).Raw));
        Assert.Equal(BigInteger.Pow(10, 18) + (20_000_000_000 * (BigInteger)21000), transaction.MostCost);
    }

    /// <summary>Signing digest of the Diode L1 example of the reference (chain 15, price 0).</summary>
    [Fact]
    public void Diode_chain_signs_the_same_way()
    {
        var transaction = new EthereumTransaction
        {
            ChainId = 15,
            Nonce = 7,
            GasPrice = 0,
            GasLimit = 10_000_000,
            To = Address.Parse("0xaf60faa5cd840b724742f1af116168276112d6a6"),
            Data = new byte[] { 0xde, 0xad, 0xbe, 0xef },
        };
        Assert.Equal("0xcdd780b84e708790e2056b1ef7448370b88e5c478e5b381fb6d35e661b7cc40f", transaction.SigningHash().ToString());
    }

    /// <summary>The first contract of anvil's first account.</summary>
    [Fact]
    public void New_contracts_have_a_known_address()
    {
        Assert.Equal(
            "0x5fbdb2315678afecb367f032d93f642f64180aa3",
            SignedTransaction.ContractAddress(Address.Parse("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"), 0).ToString());
    }
}

using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Ethereum.Transactions;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Transactions;

public sealed class CallPermitTests
{
    private static readonly CallPermit Example = new()
    {
        ChainId = 1284,
        From = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81"),
        To = Address.Parse("0x8a093e3a83f63a00fffc4729aa55482845a49294"),
        Data = Convert.FromHexString("deadbeef"),
        GasLimit = 100_000,
        Nonce = 1,
        Deadline = 1_800_000_000,
    };

    /// <summary>The example of the reference (diode-vectors V8).</summary>
    [Fact]
    public void Digest_is_that_of_the_contract()
    {
        Assert.Equal("0xf1b6db31f3e76d798819954a5a0d604220c32b47e737d09dae48661bbd7c4bcb", Example.Digest().ToString());
    }

    [Fact]
    public void Another_chain_nonce_or_call_is_another_digest()
    {
        Hash256[] digests =
        [
            Example.Digest(), (Example with { ChainId = 1285 }).Digest(), (Example with { Nonce = 2 }).Digest(),
            (Example with { Data = Convert.FromHexString("deadbeee") }).Digest(), (Example with { Value = 1 }).Digest(),
            (Example with { Deadline = 1_800_000_001 }).Digest(), (Example with { GasLimit = 100_001 }).Digest(),
        ];
        Assert.Equal(digests.Length, digests.Distinct().Count());
    }

    /// <summary>[from, to, value, call, gas limit, deadline, v, r, s], signed by the sender.</summary>
    [Fact]
    public void Signed_form_is_what_relays_take()
    {
        using PrivateKey key = PrivateKey.Generate();
        CallPermit permit = Example with { From = key.Address };
        Assert.True(RlpItem.TryDecode(permit.Sign(key), out RlpItem? item));
        Assert.Equal(9, item.Items.Count);
        Assert.Equal(key.Address.ToArray(), item.Items[0].Bytes.ToArray());
        Assert.Equal("deadbeef", Convert.ToHexStringLower(item.Items[3].Bytes.Span));
        byte v = Assert.Single(item.Items[6].Bytes.ToArray());
        Assert.InRange(v, 27, 28);
        byte[] signature = new byte[65];
        signature[0] = (byte)(v - 27);
        item.Items[7].Bytes.Span.CopyTo(signature.AsSpan(33 - item.Items[7].Bytes.Length));
        item.Items[8].Bytes.Span.CopyTo(signature.AsSpan(65 - item.Items[8].Bytes.Length));
        Assert.True(Signature65.TryFromBytes(signature, out Signature65 parsed));
        Assert.True(parsed.TryRecover(permit.Digest(), out PublicKey? signer));
        Assert.Equal(key.Address, signer.Address);
    }
}

using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Noise;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Crypto;

public class X25519Tests
{
    [Theory] // RFC 7748 §5.2
    [InlineData(
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData(
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    public void ScalarMult_matches_rfc_7748(string scalar, string point, string expected)
    {
        byte[] result = new byte[32];
        X25519.Managed.ScalarMult(Convert.FromHexString(scalar), Convert.FromHexString(point), result);
        Assert.Equal(expected, Convert.ToHexStringLower(result));
    }

    [Fact] // RFC 7748 §5.2
    public void ScalarMult_iterated_a_thousand_times_matches_rfc_7748()
    {
        byte[] k = new byte[32];
        byte[] u = new byte[32];
        k[0] = u[0] = 9;
        for (int i = 0; i < 1000; i++)
        {
            byte[] result = new byte[32];
            X25519.Managed.ScalarMult(k, u, result);
            (k, u) = (result, k);
            if (i == 0)
            {
                Assert.Equal(
                    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", Convert.ToHexStringLower(k));
            }
        }

        Assert.Equal("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", Convert.ToHexStringLower(k));
    }

    [Fact] // RFC 7748 §6.1
    public void Key_agreement_matches_rfc_7748()
    {
        byte[] alice = Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        byte[] bob = Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        byte[] publicKey = new byte[32];
        X25519.Managed.GetPublicKey(alice, publicKey);
        Assert.Equal(
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Convert.ToHexStringLower(publicKey));

        byte[] shared = new byte[32];
        X25519.Managed.ScalarMult(bob, publicKey, shared);
        Assert.Equal(
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", Convert.ToHexStringLower(shared));
    }

    [Theory] // cr.yp.to/ecdh.html#validate
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void TryAgree_refuses_points_of_low_order(string point)
    {
        byte[] privateKey = new byte[32];
        X25519.GeneratePrivateKey(privateKey);
        using LocalIdentity identity = new(privateKey, X25519.Managed, AeadFactory.Default, Random.Shared.NextBytes);
        Assert.False(identity.TryAgree(Convert.FromHexString(point), new byte[32]));
    }
}

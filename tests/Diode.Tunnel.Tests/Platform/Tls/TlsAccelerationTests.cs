using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

public sealed class TlsAccelerationTests
{
    private static readonly ECCurve Curve = ECCurve.CreateFromValue("1.3.132.0.10");

    [Fact]
    public void Accelerated_engines_shake_hands_in_both_roles()
    {
        Assert.True(TlsAcceleration.IsEnabled);
        using TlsIdentity clientIdentity = TestIdentity.Create(out _);
        using TlsIdentity serverIdentity = TestIdentity.Create(out _);
        using EnginePair pair = new(
            TlsEngineFactory.Create(TlsRole.Client, clientIdentity, static _ => true),
            TlsEngineFactory.Create(TlsRole.Server, serverIdentity, static _ => true));
        pair.Exchange();
        Assert.True(pair.Client.IsHandshakeComplete && pair.Server.IsHandshakeComplete, pair.Client.Error ?? pair.Server.Error);
        Assert.Equal(TlsResult.Ok, pair.Client.Send("to the server"u8));
        pair.Exchange();
        Assert.True(pair.ServerReceived.WrittenSpan.SequenceEqual("to the server"u8));
    }

    [Fact]
    public void Its_signatures_are_those_of_everybody_else()
    {
        Assert.True(TlsAcceleration.IsEnabled);
        using var accelerated = ECDsa.Create(Curve);
        byte[] digest = SHA256.HashData("message"u8);
        byte[] der = accelerated.SignHash(digest, DSASignatureFormat.Rfc3279DerSequence);
        ECParameters parameters = accelerated.ExportParameters(true);
        byte[] publicKey = [4, .. parameters.Q.X!, .. parameters.Q.Y!];

        byte[] derived = new byte[65];
        Assert.True(NativeSecp256k1.TryCreatePublicKey(parameters.D, derived));
        Assert.Equal(derived, publicKey);
        Assert.True(NativeSecp256k1.VerifyDer(digest, der, publicKey));
        Assert.True(accelerated.VerifyHash(digest, der, DSASignatureFormat.Rfc3279DerSequence));
        digest[0] ^= 1;
        Assert.False(accelerated.VerifyHash(digest, der, DSASignatureFormat.Rfc3279DerSequence));
        Assert.False(accelerated.VerifyHash(digest, der.AsSpan(0, 20), DSASignatureFormat.Rfc3279DerSequence));
        Assert.False(accelerated.VerifyHash(digest, Array.Empty<byte>(), DSASignatureFormat.Rfc3279DerSequence));

        // Digests of another length go the old way.
        byte[] longer = SHA384.HashData("message"u8);
        Assert.True(accelerated.VerifyHash(longer, accelerated.SignHash(longer)));
    }

    [Fact]
    public void Keys_agree_and_other_curves_go_the_old_way()
    {
        Assert.True(TlsAcceleration.IsEnabled);
        foreach (ECCurve curve in new[] { Curve, ECCurve.NamedCurves.nistP256 })
        {
            using var first = ECDiffieHellman.Create(curve);
            using var second = ECDiffieHellman.Create(curve);
            Assert.Equal(first.DeriveRawSecretAgreement(second.PublicKey), second.DeriveRawSecretAgreement(first.PublicKey));
            using var signer = ECDsa.Create(curve);
            byte[] signature = signer.SignData("message"u8, HashAlgorithmName.SHA256);
            Assert.True(signer.VerifyData("message"u8, signature, HashAlgorithmName.SHA256));
            Assert.False(signer.VerifyData("messagf"u8, signature, HashAlgorithmName.SHA256));
        }
    }
}

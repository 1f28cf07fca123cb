using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Sec;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Tls;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>An identity in the library's terms. Immutable, shared by all engines of the identity.</summary>
/// <remarks>The library's big numbers cannot be zeroed: the key is gone when the collector reuses its memory.</remarks>
internal sealed class Credentials
{
    private readonly Certificate _certificate;
    private readonly ECPrivateKeyParameters _privateKey;

    private Credentials(Certificate certificate, ECPrivateKeyParameters privateKey)
    {
        _certificate = certificate;
        _privateKey = privateKey;
    }

    /// <summary>SHA-256 with ECDSA, which is all there is on this network.</summary>
    public static SignatureAndHashAlgorithm SignatureAlgorithm { get; } =
        new(HashAlgorithm.sha256, Org.BouncyCastle.Crypto.Tls.SignatureAlgorithm.ecdsa);

    /// <exception cref="PlatformException">The certificate is broken, the key is out of range, or they do not match.</exception>
    public static Credentials Create(byte[] certificateDer, ReadOnlySpan<byte> privateKey)
    {
        X509CertificateStructure certificate;
        byte[] point;
        try
        {
            certificate = X509CertificateStructure.GetInstance(Asn1Object.FromByteArray(certificateDer));
            point = certificate.SubjectPublicKeyInfo.PublicKeyData.GetBytes();
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or InvalidCastException)
        {
            throw new PlatformException($"Could not load our TLS certificate: {exception.Message}");
        }

        ECPrivateKeyParameters key;
        try
        {
            key = new ECPrivateKeyParameters(
                "ECDSA", new BigInteger(1, privateKey.ToArray()), SecObjectIdentifiers.SecP256k1);
        }
        catch (ArgumentException)
        {
            throw new PlatformException("Could not load our TLS key: it is out of range");
        }

        ECPoint ours = key.Parameters.G.Multiply(key.D).Normalize();
        return point.AsSpan().SequenceEqual(ours.GetEncoded(false)) || point.AsSpan().SequenceEqual(ours.GetEncoded(true))
            ? new Credentials(new Certificate([certificate]), key)
            : throw new PlatformException("Could not match our TLS key and certificate");
    }

    /// <summary>What one connection signs with.</summary>
    public TlsSignerCredentials CreateSigner(TlsContext context) =>
        new DefaultTlsSignerCredentials(context, _certificate, _privateKey, SignatureAlgorithm);
}

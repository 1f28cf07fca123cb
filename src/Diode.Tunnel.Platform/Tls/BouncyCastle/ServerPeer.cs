using System.Collections;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>The choices of a server: TLS 1.2, secp256k1, a client certificate in any case.</summary>
/// <param name="credentials">Our certificate and key.</param>
/// <param name="isChecked">Whether a certificate is the one that passed our own checks.</param>
internal sealed class ServerPeer(Credentials credentials, Func<byte[], bool> isChecked)
    : DefaultTlsServer(CipherSuites.Shared)
{
    /// <summary>The ciphers of this connection, so that its owner can drop the keys.</summary>
    public RecordCipher? Cipher { get; private set; }

    protected override ProtocolVersion MinimumVersion => ProtocolVersion.TLSv12;

    protected override ProtocolVersion MaximumVersion => ProtocolVersion.TLSv12;

    public override CertificateRequest GetCertificateRequest() => new(
        [ClientCertificateType.ecdsa_sign], new ArrayList { Credentials.SignatureAlgorithm }, null);

    public override void NotifyClientCertificate(Certificate clientCertificate)
    {
        if (clientCertificate.IsEmpty)
        {
            throw new TlsFatalAlert(AlertDescription.handshake_failure);
        }

        if (clientCertificate.Length != 1 || !isChecked(clientCertificate.GetCertificateAt(0).GetEncoded()))
        {
            throw new TlsFatalAlert(AlertDescription.bad_certificate);
        }
    }

    /// <summary>A client that cannot do it is harmless: renegotiation is always refused.</summary>
    public override void NotifySecureRenegotiation(bool secureRenegotiation)
    {
    }

    public override TlsCipher GetCipher() => Cipher = (RecordCipher)base.GetCipher();

    protected override int[] GetCipherSuites() => CipherSuites.Offered;

    protected override bool SupportsClientEccCapabilities(int[] namedCurves, byte[] ecPointFormats) =>
        namedCurves is null || namedCurves.Contains(NamedCurve.secp256k1);

    protected override TlsSignerCredentials GetECDsaSignerCredentials() => credentials.CreateSigner(mContext);

    protected override TlsKeyExchange CreateECDheKeyExchange(int keyExchange) => new TlsECDheKeyExchange(
        keyExchange, mSupportedSignatureAlgorithms, [NamedCurve.secp256k1], mClientECPointFormats, mServerECPointFormats);
}

using System.Collections;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>The choices of a client: TLS 1.2, secp256k1, our certificate whenever the server asks.</summary>
/// <param name="credentials">Our certificate and key.</param>
/// <param name="isChecked">Whether a certificate is the one that passed our own checks.</param>
/// <param name="session">The session to offer; null for none.</param>
internal sealed class ClientPeer(Credentials credentials, Func<byte[], bool> isChecked, TlsSession? session)
    : DefaultTlsClient(CipherSuites.Shared), TlsAuthentication
{
    /// <summary>The ciphers of this connection, so that its owner can drop the keys.</summary>
    public RecordCipher? Cipher { get; private set; }

    public override ProtocolVersion MinimumVersion => ProtocolVersion.TLSv12;

    /// <summary>The session that another connection may offer, once the handshake is complete.</summary>
    public TlsSession? ResumableSession => mContext.ResumableSession;

    public override TlsSession? GetSessionToResume() => session;

    public override int[] GetCipherSuites() => CipherSuites.Offered;

    public override IDictionary GetClientExtensions()
    {
        IDictionary extensions = TlsExtensionsUtilities.EnsureExtensionsInitialised(base.GetClientExtensions());
        mNamedCurves = [NamedCurve.secp256k1];
        mSupportedSignatureAlgorithms = new ArrayList { Credentials.SignatureAlgorithm };
        TlsEccUtilities.AddSupportedEllipticCurvesExtension(extensions, mNamedCurves);
        TlsUtilities.AddSignatureAlgorithmsExtension(extensions, mSupportedSignatureAlgorithms);
        return extensions;
    }

    public override TlsCipher GetCipher() => Cipher = (RecordCipher)base.GetCipher();

    public override TlsAuthentication GetAuthentication() => this;

    public void NotifyServerCertificate(Certificate serverCertificate)
    {
        if (serverCertificate.Length != 1 || !isChecked(serverCertificate.GetCertificateAt(0).GetEncoded()))
        {
            throw new TlsFatalAlert(AlertDescription.bad_certificate);
        }
    }

    public TlsCredentials? GetClientCredentials(CertificateRequest certificateRequest) =>
        certificateRequest.CertificateTypes?.Contains(ClientCertificateType.ecdsa_sign) == true
            ? credentials.CreateSigner(mContext)
            : null;
}

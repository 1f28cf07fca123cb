using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>A fresh self-signed secp256k1 certificate, expired on purpose: expiry must not matter.</summary>
internal static class TestIdentity
{
    private static readonly DateTimeOffset NotBefore = new(2018, 11, 13, 0, 0, 0, TimeSpan.Zero);

    public static TlsIdentity Create() => Create(out _);

    public static TlsIdentity Create(out byte[] certificateDer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        CertificateRequest request = new("CN=test", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(NotBefore, NotBefore.AddYears(1));
        certificateDer = certificate.RawData;
        return new TlsIdentity(certificateDer, key.ExportParameters(true).D!);
    }
}

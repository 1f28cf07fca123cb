using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.IntegrationTests.Tls;

/// <summary>A self-signed certificate and its key, as PEM files for the tool and as identity for the engine.</summary>
internal sealed class CertificateFiles : IDisposable
{
    public const string Secp256k1 = "1.3.132.0.10";
    public const string P256 = "1.2.840.10045.3.1.7";

    private static readonly DateTimeOffset NotBefore = new(2018, 11, 13, 0, 0, 0, TimeSpan.Zero);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tls-");
    private readonly byte[] _privateKey;

    public CertificateFiles(string curve = Secp256k1)
    {
        using ECDsa key = ECDsa.Create(ECCurve.CreateFromValue(curve));
        CertificateRequest request = new("CN=test", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(NotBefore, NotBefore.AddYears(1));
        Der = certificate.RawData;
        _privateKey = key.ExportParameters(true).D!;
        File.WriteAllText(CertificatePath, certificate.ExportCertificatePem());
        File.WriteAllText(KeyPath, key.ExportECPrivateKeyPem());
    }

    private CertificateFiles(string[] keyOptions)
    {
        Run(["ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", KeyPath, .. keyOptions]);
        Run(["req", "-new", "-x509", "-key", KeyPath, "-subj", "/CN=test", "-days", "1", "-out", CertificatePath]);
        Der = Convert.FromBase64String(string.Concat(
            File.ReadLines(CertificatePath).Where(static line => !line.StartsWith('-'))));
        _privateKey = [];
    }

    public byte[] Der { get; }

    public string CertificatePath => Path.Combine(_folder.FullName, "certificate.pem");

    public string KeyPath => Path.Combine(_folder.FullName, "key.pem");

    /// <summary>Forms of certificates that .NET does not make. They are for the tool's side only.</summary>
    public static CertificateFiles FromTool(params string[] keyOptions) => new(keyOptions);

    public TlsIdentity CreateIdentity() => new(Der, _privateKey);

    public void Dispose() => _folder.Delete(recursive: true);

    private static void Run(string[] arguments)
    {
        ProcessStartInfo start = new("openssl", arguments) { RedirectStandardError = true };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("openssl did not start");
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(errors);
        }
    }
}

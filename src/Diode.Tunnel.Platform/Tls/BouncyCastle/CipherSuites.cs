using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>The suites of this network, with the platform's own ciphers in place of the library's slow ones.</summary>
internal sealed class CipherSuites : AbstractTlsCipherFactory
{
    private CipherSuites()
    {
    }

    public static CipherSuites Shared { get; } = new();

    /// <summary>Best first, the order of the other engine. ChaCha20 where the system has it.</summary>
    public static int[] Offered =>
        ChaCha20Poly1305.IsSupported
            ? [
                CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                CipherSuite.DRAFT_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ]
            : [
                CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ];

    public override TlsCipher CreateCipher(TlsContext context, int encryptionAlgorithm, int macAlgorithm)
    {
        return encryptionAlgorithm switch
        {
            EncryptionAlgorithm.AES_256_GCM => new RecordCipher(context, keyLength: 32, isAes: true),
            EncryptionAlgorithm.AES_128_GCM => new RecordCipher(context, keyLength: 16, isAes: true),
            EncryptionAlgorithm.CHACHA20_POLY1305 => new RecordCipher(context, keyLength: 32, isAes: false),
            _ => throw new TlsFatalAlert(AlertDescription.internal_error),
        };
    }
}

using System.Runtime.Versioning;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Tls.BouncyCastle;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Our certificate and its secp256k1 key, with what the TLS library prepares once per role.</summary>
/// <remarks>Thread-safe. Engines that exist keep working after <see cref="Dispose"/>; new ones cannot be made.</remarks>
public sealed class TlsIdentity : IDisposable
{
    /// <summary>Length of a private key, big-endian scalar.</summary>
    public const int PrivateKeyLength = 32;

    private readonly Lock _lock = new();
    private readonly byte[] _certificateDer;
    private readonly byte[] _privateKey;
    private readonly LibsslContext?[] _contexts = new LibsslContext?[4];
    private Credentials? _credentials;
    private bool _disposed;

    /// <summary>Copies certificate and key.</summary>
    /// <param name="certificateDer">One X.509 certificate with the public key of <paramref name="privateKey"/>.</param>
    /// <param name="privateKey">32 bytes; the caller may clear its copy afterwards.</param>
    public TlsIdentity(byte[] certificateDer, ReadOnlySpan<byte> privateKey)
    {
        ArgumentNullException.ThrowIfNull(certificateDer);
        ArgumentOutOfRangeException.ThrowIfZero(certificateDer.Length, nameof(certificateDer));
        ArgumentOutOfRangeException.ThrowIfNotEqual(privateKey.Length, PrivateKeyLength, nameof(privateKey));
        _certificateDer = certificateDer.AsSpan().ToArray();
        SessionPrefix = Convert.ToHexString(SHA256.HashData(_certificateDer)) + ":";

        // Pinned, so that no compaction leaves a copy behind that Dispose does not reach.
        _privateKey = GC.AllocateUninitializedArray<byte>(PrivateKeyLength, pinned: true);
        privateKey.CopyTo(_privateKey);
    }

    /// <summary>DER of our certificate.</summary>
    public ReadOnlyMemory<byte> CertificateDer => _certificateDer;

    /// <summary>Zeroes the key and releases the library's contexts.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_privateKey);
            foreach (LibsslContext? context in _contexts)
            {
                context?.Dispose();
            }

            Array.Clear(_contexts);
            _credentials = null;
        }
    }

    /// <summary>Names this identity in a session cache: a session belongs to the certificate it was made with.</summary>
    internal string SessionPrefix { get; }

    /// <summary>The context shared by all engines of one role; made on first use.</summary>
    /// <param name="role">The side to play.</param>
    /// <param name="resumable">Whether the engines have a session cache.</param>
    [SupportedOSPlatform("linux")]
    internal LibsslContext GetContext(TlsRole role, bool resumable)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            int index = ((int)role * 2) + (resumable ? 1 : 0);
            return _contexts[index] ??= LibsslContext.Create(role, resumable, _certificateDer, _privateKey);
        }
    }

    /// <summary>Certificate and key for the managed library; made on first use.</summary>
    internal Credentials GetCredentials()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _credentials ??= Credentials.Create(_certificateDer, _privateKey);
        }
    }
}

using System.Security.Cryptography;

namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>The ChaCha20-Poly1305 implementations this project brings along; a shell may inject a faster one.</summary>
public static class AeadFactory
{
    /// <summary>The .NET class: the system's crypto library behind managed calls, no allocation per packet.</summary>
    public static IAeadFactory DotNet { get; } = new DotNetAeadFactory();

    /// <summary>BouncyCastle: runs everywhere, several times slower, allocates per packet.</summary>
    public static IAeadFactory Managed { get; } = new ManagedAeadFactory();

    /// <summary><see cref="DotNet"/> where the system supports it, otherwise <see cref="Managed"/>.</summary>
    public static IAeadFactory Default { get; } = ChaCha20Poly1305.IsSupported ? DotNet : Managed;

    private sealed class DotNetAeadFactory : IAeadFactory
    {
        public IAeadKey Create(ReadOnlySpan<byte> key)
        {
            return new DotNetAeadKey(key);
        }
    }

    private sealed class ManagedAeadFactory : IAeadFactory
    {
        public IAeadKey Create(ReadOnlySpan<byte> key)
        {
            return new ManagedAeadKey(key);
        }
    }
}

using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Prng;
using Org.BouncyCastle.Security;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>The system's random numbers, unmixed, for a library that would run a generator of its own.</summary>
internal sealed class SystemRandom : IRandomGenerator
{
    private SystemRandom()
    {
    }

    /// <summary>Thread-safe: it has no state.</summary>
    public static SecureRandom Shared { get; } = new(new SystemRandom());

    public void AddSeedMaterial(byte[] seed)
    {
    }

    public void AddSeedMaterial(long seed)
    {
    }

    public void NextBytes(byte[] bytes) => RandomNumberGenerator.Fill(bytes);

    public void NextBytes(byte[] bytes, int start, int len) => RandomNumberGenerator.Fill(bytes.AsSpan(start, len));
}

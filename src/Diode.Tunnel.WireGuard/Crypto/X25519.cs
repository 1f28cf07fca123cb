using System.Security.Cryptography;
using BouncyCastleX25519 = Org.BouncyCastle.Math.EC.Rfc7748.X25519;

namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>X25519 in managed code (BouncyCastle), and the two key operations a shell needs.</summary>
public sealed class X25519 : IX25519
{
    private X25519()
    {
    }

    /// <summary>The only instance.</summary>
    public static X25519 Managed { get; } = new();

    /// <summary>Fills 32 bytes with a new private key, clamped as RFC 7748 §5 says.</summary>
    public static void GeneratePrivateKey(Span<byte> privateKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(privateKey.Length, WireGuardConstants.KeyLength);
        RandomNumberGenerator.Fill(privateKey);
        Clamp(privateKey);
    }

    /// <inheritdoc/>
    public void GetPublicKey(ReadOnlySpan<byte> privateKey, Span<byte> publicKey)
    {
        byte[] scalar = privateKey.ToArray();
        byte[] result = new byte[WireGuardConstants.KeyLength];
        BouncyCastleX25519.ScalarMultBase(scalar, 0, result, 0);
        result.CopyTo(publicKey);
        CryptographicOperations.ZeroMemory(scalar);
    }

    /// <inheritdoc/>
    public void ScalarMult(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, Span<byte> sharedSecret)
    {
        byte[] scalar = privateKey.ToArray();
        byte[] point = publicKey.ToArray();
        byte[] result = new byte[WireGuardConstants.KeyLength];
        BouncyCastleX25519.ScalarMult(scalar, 0, point, 0, result, 0);
        result.CopyTo(sharedSecret);
        CryptographicOperations.ZeroMemory(scalar);
        CryptographicOperations.ZeroMemory(result);
    }

    internal static void Clamp(Span<byte> privateKey)
    {
        privateKey[0] &= 248;
        privateKey[31] = (byte)((privateKey[31] & 127) | 64);
    }
}

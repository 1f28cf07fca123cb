namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>The X25519 function (RFC 7748 §5). Thread-safe.</summary>
public interface IX25519
{
    /// <summary>Multiplies the base point: the public key of a private key, 32 bytes each.</summary>
    void GetPublicKey(ReadOnlySpan<byte> privateKey, Span<byte> publicKey);

    /// <summary>Multiplies another party's point. The caller rejects an all-zero result.</summary>
    void ScalarMult(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, Span<byte> sharedSecret);
}

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>
/// Somebody else's secp256k1 arithmetic, for programs that do a lot of it: this project has no native code. Thread-safe. The
/// results are the same to the bit. Lengths and ranges of signatures are checked before.
/// </summary>
public interface ISecp256k1
{
    /// <summary>The key of a secret as 04, x, y; false when the secret is not in 1..n-1.</summary>
    bool TryCreatePublicKey(ReadOnlySpan<byte> secret32, Span<byte> publicKey65);

    /// <summary>Reads a key of 33 or 65 bytes into the form 04, x, y; false when it is not on the curve.</summary>
    bool TryReadPublicKey(ReadOnlySpan<byte> encoded, Span<byte> publicKey65);

    /// <summary>Signs with an RFC 6979 nonce and low s: recovery id, r, s.</summary>
    bool TrySign(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> secret32, Span<byte> signature65);

    /// <summary>The key that signed as 04, x, y; false when there is none.</summary>
    bool TryRecover(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> signature65, Span<byte> publicKey65);
}

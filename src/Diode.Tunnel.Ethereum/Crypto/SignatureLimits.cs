namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>The bounds of r and s as plain words, so that garbage is refused before any big-number work.</summary>
internal static class SignatureLimits
{
    /// <summary>The order n of the secp256k1 group (SEC 2 §2.4.1).</summary>
    public static readonly Hash256 Order =
        Hash256.Parse("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

    /// <summary>Floor of n / 2: the largest low s.</summary>
    public static readonly Hash256 HalfOrder =
        Hash256.Parse("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
}

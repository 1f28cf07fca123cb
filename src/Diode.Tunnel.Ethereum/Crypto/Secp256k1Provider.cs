namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>Who does the arithmetic of keys and signatures in this process.</summary>
public static class Secp256k1Provider
{
    private static ISecp256k1? _current;

    /// <summary>The one in use; null for the managed code of this project. Set once at the start of a program, from any thread.</summary>
    public static ISecp256k1? Current
    {
        get => Volatile.Read(ref _current);
        set => Volatile.Write(ref _current, value);
    }
}

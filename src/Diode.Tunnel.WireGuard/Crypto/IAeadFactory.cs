namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>Makes <see cref="IAeadKey"/>s. Thread-safe.</summary>
public interface IAeadFactory
{
    /// <summary>Makes a key from 32 bytes, which are copied.</summary>
    IAeadKey Create(ReadOnlySpan<byte> key);
}

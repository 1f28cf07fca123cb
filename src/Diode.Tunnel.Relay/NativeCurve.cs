using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Relay;

/// <summary>Puts libsecp256k1, where it is installed, behind tickets and handshakes: a relay does little else when devices connect.</summary>
internal sealed class NativeCurve : ISecp256k1
{
    private NativeCurve()
    {
    }

    /// <summary>For the whole process, before keys are made. False when the library is missing: all is slower then.</summary>
    public static bool TryInstall()
    {
        if (!NativeSecp256k1.IsSupported)
        {
            return false;
        }

        Secp256k1Provider.Current ??= new NativeCurve();
        return TlsAcceleration.IsEnabled;
    }

    public bool TryCreatePublicKey(ReadOnlySpan<byte> secret32, Span<byte> publicKey65)
    {
        return NativeSecp256k1.TryCreatePublicKey(secret32, publicKey65);
    }

    public bool TryReadPublicKey(ReadOnlySpan<byte> encoded, Span<byte> publicKey65)
    {
        return NativeSecp256k1.TryReadPublicKey(encoded, publicKey65);
    }

    public bool TrySign(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> secret32, Span<byte> signature65)
    {
        return NativeSecp256k1.TrySign(digest32, secret32, signature65);
    }

    public bool TryRecover(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> signature65, Span<byte> publicKey65)
    {
        return NativeSecp256k1.TryRecover(digest32, signature65, publicKey65);
    }
}

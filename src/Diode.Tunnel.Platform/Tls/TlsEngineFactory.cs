using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Chooses the TLS library of the operating system.</summary>
public static class TlsEngineFactory
{
    /// <summary>True if <see cref="Create"/> works on this machine.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && OpenSsl.HasLibssl;

    /// <summary>Creates an engine. A client's ClientHello is in the output at once.</summary>
    /// <param name="role">The side to play.</param>
    /// <param name="identity">Our certificate and key; may be shared by any number of engines and threads.</param>
    /// <param name="validator">Decides about the peer's certificate, also about the one of a resumed session.</param>
    /// <param name="sessions">Where sessions for resumption are kept; null to make a full handshake always.</param>
    /// <param name="sessionKey">
    /// As client: whom we connect to, usually the expected address as text. Without it the client offers no session. As
    /// server it is not needed, sessions are found by their id.
    /// </param>
    /// <exception cref="PlatformException">OpenSSL 3 is missing, or certificate and key do not belong together.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no TLS engine for this operating system.</exception>
    public static TlsEngine Create(
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(validator);
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException(
                "TLS with secp256k1 needs OpenSSL 3 and is built for Linux only; the system's own TLS cannot do it.");
        }

        if (!OpenSsl.HasLibssl)
        {
            throw new PlatformException("libssl.so.3 could not be loaded", hint: "install OpenSSL 3, package libssl3");
        }

        return new LibsslEngine(role, identity, validator, sessions, sessionKey);
    }
}

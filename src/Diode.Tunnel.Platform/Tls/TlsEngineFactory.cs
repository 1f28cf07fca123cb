using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Tls.BouncyCastle;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Chooses the TLS library: libssl where it is present, managed code elsewhere.</summary>
public static class TlsEngineFactory
{
    /// <summary>Environment variable that forces a backend: "openssl" or "bouncycastle".</summary>
    public const string BackendVariable = "DIODE_TLS";

    private static readonly string? Wanted = Environment.GetEnvironmentVariable(BackendVariable);

    /// <summary>The backend that <see cref="Create(TlsRole, TlsIdentity, TlsPeerValidator, TlsSessionCache?, string?)"/> uses.</summary>
    /// <exception cref="PlatformException">The environment variable names no backend.</exception>
    public static TlsBackend DefaultBackend => Parse(Wanted);

    /// <summary>Creates an engine. A client's ClientHello is in the output at once.</summary>
    /// <param name="role">The side to play.</param>
    /// <param name="identity">Our certificate and key; may be shared by any number of engines and threads.</param>
    /// <param name="validator">Decides about the peer's certificate, also about the one of a resumed session.</param>
    /// <param name="sessions">Where sessions for resumption are kept; null to make a full handshake always.</param>
    /// <param name="sessionKey">
    /// As client: whom we connect to, usually the expected address as text. Without it the client offers no session. As
    /// server it is not needed, sessions are found by their id.
    /// </param>
    /// <exception cref="PlatformException">Certificate and key do not belong together, or the library is missing.</exception>
    public static TlsEngine Create(
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null) => Create(DefaultBackend, role, identity, validator, sessions, sessionKey);

    /// <summary>Creates an engine on a library of the caller's choice.</summary>
    /// <inheritdoc cref="Create(TlsRole, TlsIdentity, TlsPeerValidator, TlsSessionCache?, string?)"/>
    public static TlsEngine Create(
        TlsBackend backend,
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(validator);
        if (backend == TlsBackend.BouncyCastle)
        {
            return new BouncyCastleEngine(role, identity, validator, sessions, sessionKey);
        }

        return OperatingSystem.IsLinux() && OpenSsl.HasLibssl
            ? new LibsslEngine(role, identity, validator, sessions, sessionKey)
            : throw new PlatformException("libssl.so.3 could not be loaded", hint: "install OpenSSL 3, package libssl3");
    }

    /// <summary>The backend of a name; without one libssl if it is present.</summary>
    internal static TlsBackend Parse(string? name) => name?.ToUpperInvariant() switch
    {
        null or "" => OperatingSystem.IsLinux() && OpenSsl.HasLibssl ? TlsBackend.OpenSsl : TlsBackend.BouncyCastle,
        "OPENSSL" => TlsBackend.OpenSsl,
        "BOUNCYCASTLE" => TlsBackend.BouncyCastle,
        _ => throw new PlatformException(
            $"{BackendVariable} names no TLS library: {name}", hint: "use openssl or bouncycastle, or leave it unset"),
    };
}

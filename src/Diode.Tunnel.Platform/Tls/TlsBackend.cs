namespace Diode.Tunnel.Platform.Tls;

/// <summary>The library behind a <see cref="TlsEngine"/>.</summary>
public enum TlsBackend
{
    /// <summary>libssl 3 of the operating system (Linux).</summary>
    OpenSsl,

    /// <summary>Managed code, for systems without OpenSSL (Windows). A handshake costs about five times as much.</summary>
    BouncyCastle,
}

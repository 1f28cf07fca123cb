namespace Diode.Tunnel.Platform.Tls;

/// <summary>The alerts we send ourselves (RFC 5246 §7.2).</summary>
internal enum TlsAlert : byte
{
    CloseNotify = 0,
    UnexpectedMessage = 10,
    RecordOverflow = 22,
    HandshakeFailure = 40,
    BadCertificate = 42,
    UnsupportedCertificate = 43,
    DecodeError = 50,
    ProtocolVersion = 70,
    InsufficientSecurity = 71,
}

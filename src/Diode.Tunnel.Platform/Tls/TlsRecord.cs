namespace Diode.Tunnel.Platform.Tls;

/// <summary>The record layer of TLS 1.2 (RFC 5246 §6.2): type, version, length.</summary>
internal static class TlsRecord
{
    public const int HeaderLength = 5;
    public const int MaxPlaintext = 1 << 14;

    public const byte ChangeCipherSpec = 20;
    public const byte Alert = 21;
    public const byte Handshake = 22;
    public const byte ApplicationData = 23;
}

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Why a handshake is not continued: the alert for the peer and the text for the log.</summary>
internal sealed record TlsRefusal(TlsAlert Alert, string Reason)
{
    /// <summary>The alert as a record in the clear, which is how everything before the change of ciphers goes.</summary>
    public byte[] ToRecord() => [TlsRecord.Alert, 3, 3, 0, 2, 2, (byte)Alert];
}

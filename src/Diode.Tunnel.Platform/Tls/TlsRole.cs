namespace Diode.Tunnel.Platform.Tls;

/// <summary>Which side of the handshake an engine plays.</summary>
public enum TlsRole
{
    /// <summary>Sends the ClientHello.</summary>
    Client,

    /// <summary>Answers it and demands a client certificate.</summary>
    Server,
}

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>How a port of a plain Diode device is opened (diode-client §13.1).</summary>
public enum PortProtocol
{
    /// <summary>In a definition: opened in any way.</summary>
    Any,

    /// <summary>A byte stream in clear text: the relay can read it, and who opened it is the relay's word.</summary>
    Tcp,

    /// <summary>A byte stream inside TLS between the two devices, both keys proven.</summary>
    Tls,

    /// <summary>Datagrams in clear text, as <see cref="Tcp"/>.</summary>
    Udp,
}

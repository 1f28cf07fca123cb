using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>A port that another device wants to open. Answer it once with AcceptPort or RejectPort, at any time.</summary>
public readonly struct IncomingPort
{
    internal IncomingPort(ulong requestId, PortRef port, Address source, byte[] name)
    {
        RequestId = requestId;
        Port = port;
        Source = source;
        Name = name;
    }

    /// <summary>Number of the relay's request.</summary>
    public ulong RequestId { get; }

    /// <summary>The name of the port to be.</summary>
    public PortRef Port { get; }

    /// <summary>The device that opens, by the word of the relay: proves nothing.</summary>
    public Address Source { get; }

    /// <summary>What is to be opened: <c>tcp:22</c>, <c>tls:41042</c>, <c>udp:53</c>, or 1–2 bytes of a number.</summary>
    public ReadOnlyMemory<byte> Name { get; }
}

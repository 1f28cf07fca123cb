using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>
/// A UDP sender that is no proven way of any peer: one that has moved, a first handshake, or a stranger. Good for the answer to a
/// handshake, and for telling the paths where an authentic datagram came from; data are not sent to it.
/// </summary>
internal sealed class UnknownUdpPath(UdpTransport transport, in EndpointAddress remote) : IPath
{
    private readonly EndpointAddress _remote = remote;
    private readonly byte[] _sourceId = UdpPath.MakeSourceId(remote);

    /// <inheritdoc/>
    public PathKind Kind => PathKind.DirectUdp;

    /// <inheritdoc/>
    public string Via => _remote.ToString();

    /// <summary>The sender.</summary>
    public EndpointAddress Remote => _remote;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> SourceId => _sourceId;

    /// <inheritdoc/>
    public bool IsOpen => true;

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<byte> datagram)
    {
        return transport.Send(_remote, datagram, 0);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // Nothing is gathered.
    }
}

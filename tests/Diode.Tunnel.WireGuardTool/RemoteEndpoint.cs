using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>A remote UDP address, never changed once made: the path token that the core keeps for a peer.</summary>
internal sealed class RemoteEndpoint
{
    private readonly byte[] _source;

    public RemoteEndpoint(EndpointAddress address)
    {
        Address = address;
        Span<byte> source = stackalloc byte[18];
        int length = address.CopyAddressTo(source);
        source[length++] = (byte)(address.Port >> 8);
        source[length++] = (byte)address.Port;
        _source = source[..length].ToArray();
    }

    public EndpointAddress Address { get; }

    /// <summary>Address and port as the core wants them for cookies.</summary>
    public ReadOnlySpan<byte> Source => _source;
}

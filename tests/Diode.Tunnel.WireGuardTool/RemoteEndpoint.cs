using System.Net;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>A remote UDP address, never changed once made: the path token that the core keeps for a peer.</summary>
internal sealed class RemoteEndpoint
{
    // sockaddr_in6: family (2), port (2), flow information (4), address (16), scope (4)
    private const int PortOffset = 2;
    private const int PortLength = 2;
    private const int AddressOffset = 8;
    private const int AddressLength = 16;
    private const int MappedPrefixLength = 12;

    private readonly byte[] _source;

    /// <param name="address">Copied; of an IPv6 socket in dual mode.</param>
    public RemoteEndpoint(SocketAddress address)
    {
        Address = new SocketAddress(address.Family, address.Size);
        address.Buffer.Span[..address.Size].CopyTo(Address.Buffer.Span);
        ReadOnlySpan<byte> bytes = address.Buffer.Span;
        ReadOnlySpan<byte> ip = bytes.Slice(AddressOffset, AddressLength);
        ReadOnlySpan<byte> plain = new IPAddress(ip).IsIPv4MappedToIPv6 ? ip[MappedPrefixLength..] : ip;
        _source = [.. plain, .. bytes.Slice(PortOffset, PortLength)];
    }

    public SocketAddress Address { get; }

    /// <summary>Address and port as the core wants them for cookies.</summary>
    public ReadOnlySpan<byte> Source => _source;

    public static RemoteEndpoint From(IPEndPoint endpoint) =>
        new(new IPEndPoint(endpoint.Address.MapToIPv6(), endpoint.Port).Serialize());
}

using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>A remote UDP address, never changed once made.</summary>
internal sealed class UdpRemote
{
    // sockaddr_in: family (2), port (2), address (4). sockaddr_in6: family, port, flow information (4), address (16), scope (4).
    private const int PortOffset = 2;
    private const int Ipv4Offset = 4;
    private const int Ipv6Offset = 8;
    private const int MappedPrefixLength = 12;

    private readonly byte[] _source;

    /// <summary>Copies what a socket received from; IPv4 addresses of an IPv6 socket in dual mode count as IPv4.</summary>
    public UdpRemote(SocketAddress address)
    {
        Address = new SocketAddress(address.Family, address.Size);
        ReadOnlySpan<byte> bytes = address.Buffer.Span;
        bytes[..address.Size].CopyTo(Address.Buffer.Span);
        ReadOnlySpan<byte> ip = address.Family == AddressFamily.InterNetwork
            ? bytes.Slice(Ipv4Offset, 4)
            : bytes.Slice(Ipv6Offset, 16);
        if (ip.Length == 16 && new IPAddress(ip).IsIPv4MappedToIPv6)
        {
            ip = ip[MappedPrefixLength..];
        }

        _source = [.. ip, .. bytes.Slice(PortOffset, 2)];
        Endpoint = EndpointAddress.TryFromSockaddr(bytes[..address.Size], out EndpointAddress endpoint) ? endpoint : default;
    }

    /// <summary>The same from what a <see cref="UdpChannel"/> received from.</summary>
    public UdpRemote(in EndpointAddress endpoint)
    {
        Endpoint = endpoint;
        Address = endpoint.ToEndPoint().Serialize();
        Span<byte> ip = stackalloc byte[16];
        _source = [.. ip[..endpoint.CopyAddressTo(ip)], (byte)(endpoint.Port >> 8), (byte)endpoint.Port];
    }

    /// <summary>As a <see cref="UdpChannel"/> takes it.</summary>
    public EndpointAddress Endpoint { get; }

    /// <summary>As the socket takes it.</summary>
    public SocketAddress Address { get; }

    /// <summary>Address (4 or 16 bytes) and port (2 bytes, big-endian).</summary>
    public ReadOnlySpan<byte> Source => _source;

    /// <summary>The address without port, 4 or 16 bytes.</summary>
    public ReadOnlySpan<byte> Ip => _source.AsSpan(0, _source.Length - 2);

    /// <summary>The port.</summary>
    public ushort Port => BinaryPrimitives.ReadUInt16BigEndian(_source.AsSpan(_source.Length - 2));

    /// <summary>For log lines.</summary>
    public override string ToString() => new IPEndPoint(new IPAddress(Ip), Port).ToString();
}

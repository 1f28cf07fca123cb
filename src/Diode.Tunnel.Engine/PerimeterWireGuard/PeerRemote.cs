using System.Buffers.Binary;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>Where a peer is, as the WireGuard core keeps it. Never changed once made.</summary>
internal sealed class PeerRemote
{
    private readonly byte[] _source;

    public PeerRemote(in EndpointAddress endpoint)
    {
        Endpoint = endpoint;
        Span<byte> ip = stackalloc byte[16];
        int length = endpoint.CopyAddressTo(ip);
        _source = new byte[length + sizeof(ushort)];
        ip[..length].CopyTo(_source);
        BinaryPrimitives.WriteUInt16BigEndian(_source.AsSpan(length), (ushort)endpoint.Port);
    }

    public EndpointAddress Endpoint { get; }

    /// <summary>Address (4 or 16 bytes) and port (2 bytes, big-endian).</summary>
    public ReadOnlySpan<byte> Source => _source;
}

using System.Buffers.Binary;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>PCP MAP (RFC 6887 §7, §11) for one UDP port. Pure.</summary>
internal static class PcpMessage
{
    /// <summary>Length of request and answer without options.</summary>
    public const int Length = 60;

    /// <summary>Length of the nonce that ties answers to requests.</summary>
    public const int NonceLength = 12;

    private const int MaxLength = 1100;
    private const byte Version = 2;
    private const byte MapOperation = 1;
    private const byte Answer = 0x80;
    private const byte Udp = 17;

    /// <summary>Asks for a port. Lifetime 0 gives it back.</summary>
    /// <param name="client">This device's address as the gateway sees it.</param>
    /// <param name="port">The inner port, also suggested as the outer one.</param>
    /// <param name="seconds">Lifetime.</param>
    /// <param name="nonce">The same for renewals.</param>
    public static byte[] MakeMapRequest(in EndpointAddress client, ushort port, uint seconds, ReadOnlySpan<byte> nonce)
    {
        byte[] request = new byte[Length];
        request[0] = Version;
        request[1] = MapOperation;
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(4), seconds);
        WriteAddress(request.AsSpan(8, 16), client);
        nonce.CopyTo(request.AsSpan(24));
        request[36] = Udp;
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(40), port);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(42), port);

        // No suggestion for the outer address: all zeros of the family.
        request[54] = request[55] = client.IsIpv4 ? (byte)0xff : (byte)0;
        return request;
    }

    /// <summary>Reads the outer address and port.</summary>
    public static bool TryReadMapping(
        ReadOnlySpan<byte> datagram, ushort port, ReadOnlySpan<byte> nonce, out EndpointAddress external, out uint seconds)
    {
        external = default;
        seconds = 0;
        if (datagram.Length is < Length or > MaxLength
            || datagram.Length % 4 != 0
            || datagram[0] != Version
            || datagram[1] != (Answer | MapOperation)
            || datagram[3] != 0
            || !datagram.Slice(24, NonceLength).SequenceEqual(nonce)
            || datagram[36] != Udp
            || BinaryPrimitives.ReadUInt16BigEndian(datagram[40..]) != port)
        {
            return false;
        }

        seconds = BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]);
        return seconds != 0
            && BinaryPrimitives.ReadUInt16BigEndian(datagram[42..]) is not 0 and ushort outer
            && EndpointAddress.TryCreate(datagram.Slice(44, 16), outer, out external);
    }

    private static void WriteAddress(Span<byte> to, in EndpointAddress address)
    {
        if (address.IsIpv4)
        {
            to[10] = to[11] = 0xff;
            address.CopyAddressTo(to[12..]);
        }
        else
        {
            address.CopyAddressTo(to);
        }
    }
}

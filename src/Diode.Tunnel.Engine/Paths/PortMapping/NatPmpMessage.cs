using System.Buffers.Binary;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>NAT-PMP (RFC 6886), version 0: what is needed for one UDP port. Pure.</summary>
internal static class NatPmpMessage
{
    /// <summary>UDP port of the gateway, shared with PCP.</summary>
    public const int Port = 5351;

    private const byte AddressOperation = 0;
    private const byte MapUdpOperation = 1;
    private const byte Answer = 128;
    private const int AddressLength = 12;
    private const int MapLength = 16;

    /// <summary>Asks for the gateway's outer address.</summary>
    public static byte[] MakeAddressRequest()
    {
        return [0, AddressOperation];
    }

    /// <summary>Asks for a port. Lifetime 0 gives it back.</summary>
    public static byte[] MakeMapRequest(ushort port, uint seconds)
    {
        byte[] request = new byte[12];
        request[1] = MapUdpOperation;
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(4), port);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(6), seconds == 0 ? (ushort)0 : port);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(8), seconds);
        return request;
    }

    /// <summary>Reads the outer address, with port 1.</summary>
    public static bool TryReadAddress(ReadOnlySpan<byte> datagram, out EndpointAddress address)
    {
        address = default;
        return IsSuccess(datagram, AddressOperation, AddressLength) && EndpointAddress.TryCreate(datagram.Slice(8, 4), 1, out address);
    }

    /// <summary>Reads the outer port for an inner one.</summary>
    public static bool TryReadMapping(ReadOnlySpan<byte> datagram, ushort port, out ushort external, out uint seconds)
    {
        external = 0;
        seconds = 0;
        if (!IsSuccess(datagram, MapUdpOperation, MapLength) || BinaryPrimitives.ReadUInt16BigEndian(datagram[8..]) != port)
        {
            return false;
        }

        external = BinaryPrimitives.ReadUInt16BigEndian(datagram[10..]);
        seconds = BinaryPrimitives.ReadUInt32BigEndian(datagram[12..]);
        return external != 0 && seconds != 0;
    }

    private static bool IsSuccess(ReadOnlySpan<byte> datagram, byte operation, int length)
    {
        return datagram.Length == length
            && datagram[0] == 0
            && datagram[1] == Answer + operation
            && BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) == 0;
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>The little of STUN that a binding request needs (RFC 8489 §5, §14.2).</summary>
internal static class StunMessage
{
    /// <summary>Length of a request.</summary>
    public const int RequestLength = 20;

    /// <summary>Length of a transaction id.</summary>
    public const int TransactionLength = 12;

    /// <summary>UDP port where relays answer: that of their TURN service.</summary>
    public const int DefaultPort = 19403;

    private const uint Cookie = 0x2112A442;
    private const ushort BindingRequest = 0x0001;
    private const ushort BindingSuccess = 0x0101;
    private const ushort XorMappedAddress = 0x0020;

    /// <summary>Whether a datagram may be an answer.</summary>
    public static bool IsAnswer(ReadOnlySpan<byte> datagram)
    {
        return datagram.Length >= RequestLength
            && BinaryPrimitives.ReadUInt16BigEndian(datagram) == BindingSuccess
            && BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]) == Cookie
            && BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) == datagram.Length - RequestLength;
    }

    /// <summary>Writes a request with a new transaction id.</summary>
    public static byte[] MakeRequest()
    {
        byte[] request = new byte[RequestLength];
        BinaryPrimitives.WriteUInt16BigEndian(request, BindingRequest);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(4), Cookie);
        RandomNumberGenerator.Fill(request.AsSpan(8, TransactionLength));
        return request;
    }

    /// <summary>Reads the address that the server saw. False: it is not the answer to this request, or says none.</summary>
    public static bool TryReadAnswer(ReadOnlySpan<byte> datagram, ReadOnlySpan<byte> request, out EndpointAddress mapped)
    {
        mapped = default;
        if (!IsAnswer(datagram) || !datagram.Slice(8, TransactionLength).SequenceEqual(request.Slice(8, TransactionLength)))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = datagram[RequestLength..];
        while (rest.Length >= 4)
        {
            int type = BinaryPrimitives.ReadUInt16BigEndian(rest);
            int length = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
            if (rest.Length < 4 + length)
            {
                return false;
            }

            if (type == XorMappedAddress)
            {
                return TryReadAddress(rest.Slice(4, length), datagram.Slice(4, 16), out mapped);
            }

            rest = rest[Math.Min(rest.Length, 4 + ((length + 3) & ~3))..];
        }

        return false;
    }

    private static bool TryReadAddress(ReadOnlySpan<byte> value, ReadOnlySpan<byte> mask, out EndpointAddress mapped)
    {
        mapped = default;
        int length = value.Length >= 4 ? value[1] switch { 1 => 4, 2 => 16, _ => 0 } : 0;
        if (length == 0 || value.Length != 4 + length)
        {
            return false;
        }

        Span<byte> address = stackalloc byte[16];
        for (int i = 0; i < length; i++)
        {
            address[i] = (byte)(value[4 + i] ^ mask[i]);
        }

        ushort port = (ushort)(BinaryPrimitives.ReadUInt16BigEndian(value[2..]) ^ (Cookie >> 16));
        return EndpointAddress.TryCreate(address[..length], port, out mapped);
    }
}

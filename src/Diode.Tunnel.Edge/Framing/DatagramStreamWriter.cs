using System.Buffers.Binary;

namespace Diode.Tunnel.Edge.Framing;

/// <summary>
/// Frames datagrams inside the byte stream of a <c>udp:</c> port (reference §3.8):
/// <code>u32le length | datagram (length bytes)</code>
/// Send each framed datagram in one portsend where it fits: Go readers stumble over pieces.
/// </summary>
public static class DatagramStreamWriter
{
    /// <summary>Bytes of the little-endian length.</summary>
    public const int HeaderLength = 4;

    /// <summary>Writes the header for a datagram that follows it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is not 0..65,535.</exception>
    public static void WriteHeader(Span<byte> destination, int datagramLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(datagramLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(datagramLength, EdgeLimits.MaxDatagram);
        BinaryPrimitives.WriteInt32LittleEndian(destination, datagramLength);
    }

    /// <summary>Writes header and datagram; returns the number of bytes written.</summary>
    public static int Write(Span<byte> destination, ReadOnlySpan<byte> datagram)
    {
        WriteHeader(destination, datagram.Length);
        datagram.CopyTo(destination[HeaderLength..]);
        return HeaderLength + datagram.Length;
    }
}

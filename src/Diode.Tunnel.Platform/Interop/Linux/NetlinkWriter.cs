using System.Buffers.Binary;
using System.Text;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>
/// Writes one netlink message into a caller's buffer (linux/netlink.h; host byte order, all parts padded to 4).
/// <code>
/// nlmsghdr: length u32 | type u16 | flags u16 | sequence u32 | port u32      then the family header, then
/// nlattr:   length u16 | type u16 | value, padded to 4
/// </code>
/// The buffer must hold the whole message; requests here have a fixed upper bound.
/// </summary>
internal ref struct NetlinkWriter
{
    internal const int HeaderLength = 16;
    private const int AttributeHeaderLength = 4;

    private readonly Span<byte> _buffer;
    private int _length;

    internal NetlinkWriter(Span<byte> buffer, ushort type, ushort flags, uint sequence)
    {
        _buffer = buffer;
        _buffer[..HeaderLength].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[6..], flags);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer[8..], sequence);
        _length = HeaderLength;
    }

    /// <summary>Reserves the zeroed family header (ifinfomsg, rtmsg, …) and returns it for filling.</summary>
    internal Span<byte> FamilyHeader(int length)
    {
        Span<byte> header = _buffer.Slice(_length, length);
        header.Clear();
        _length += Align(length);
        return header;
    }

    internal void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        int end = _length + AttributeHeaderLength + value.Length;
        int padded = Align(end);
        _buffer[_length..padded].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[_length..], (ushort)(AttributeHeaderLength + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[(_length + 2)..], type);
        value.CopyTo(_buffer[(_length + AttributeHeaderLength)..]);
        _length = padded;
    }

    internal void Attribute(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Attribute(type, bytes);
    }

    /// <summary>Writes a string attribute with its terminating zero.</summary>
    internal void Attribute(ushort type, string value)
    {
        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetMaxByteCount(value.Length) + 1];
        int length = Encoding.UTF8.GetBytes(value, bytes);
        bytes[length] = 0;
        Attribute(type, bytes[..(length + 1)]);
    }

    /// <summary>Sets the length field and returns the message.</summary>
    internal readonly ReadOnlySpan<byte> Finish()
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer, (uint)_length);
        return _buffer[.._length];
    }

    private static int Align(int length) => (length + 3) & ~3;
}

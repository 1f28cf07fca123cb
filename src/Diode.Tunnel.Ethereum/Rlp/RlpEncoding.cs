using System.Numerics;

namespace Diode.Tunnel.Ethereum.Rlp;

/// <summary>
/// The lengths and headers of Recursive Length Prefix encoding:
/// <code>
/// 00..7f            the byte itself
/// 80+n | n bytes    string of 0..55 bytes       b7+m | m length bytes | string of more
/// c0+n | items      list of 0..55 payload bytes  f7+m | m length bytes | list of more
/// </code>
/// </summary>
public static class RlpEncoding
{
    internal const byte StringOffset = 0x80;
    internal const byte ListOffset = 0xc0;
    internal const int ShortLimit = 55;

    /// <summary>The longest header: one byte and four length bytes, since a span is shorter than 2^31.</summary>
    public const int MaxHeaderLength = 5;

    /// <summary>Number of header bytes in front of a payload (of a list, or of a string that is not one low byte).</summary>
    public static int GetHeaderLength(int payloadLength)
    {
        return payloadLength <= ShortLimit ? 1 : 1 + GetIntegerLength((ulong)payloadLength);
    }

    /// <summary>Encoded length of a byte string.</summary>
    public static int GetBytesLength(ReadOnlySpan<byte> value)
    {
        return value.Length == 1 && value[0] < StringOffset ? 1 : GetHeaderLength(value.Length) + value.Length;
    }

    /// <summary>Encoded length of a non-negative integer.</summary>
    public static int GetUInt64Length(ulong value)
    {
        return value < StringOffset ? 1 : 1 + GetIntegerLength(value);
    }

    /// <summary>Number of bytes of the shortest big-endian form; 0 for 0.</summary>
    public static int GetIntegerLength(ulong value)
    {
        return (64 - BitOperations.LeadingZeroCount(value) + 7) / 8;
    }

    /// <summary>Writes a string header; returns its length.</summary>
    public static int WriteBytesHeader(Span<byte> destination, int payloadLength)
    {
        return WriteHeader(destination, StringOffset, payloadLength);
    }

    /// <summary>Writes a list header; returns its length.</summary>
    public static int WriteListHeader(Span<byte> destination, int payloadLength)
    {
        return WriteHeader(destination, ListOffset, payloadLength);
    }

    /// <summary>Writes a byte string with its header; returns the number of bytes written.</summary>
    public static int WriteBytes(Span<byte> destination, ReadOnlySpan<byte> value)
    {
        if (value.Length == 1 && value[0] < StringOffset)
        {
            destination[0] = value[0];
            return 1;
        }

        int header = WriteBytesHeader(destination, value.Length);
        value.CopyTo(destination[header..]);
        return header + value.Length;
    }

    /// <summary>Writes an integer as its shortest big-endian string (0 is the empty string); returns the length.</summary>
    public static int WriteUInt64(Span<byte> destination, ulong value)
    {
        if (value is > 0 and < StringOffset)
        {
            destination[0] = (byte)value;
            return 1;
        }

        int length = GetIntegerLength(value);
        destination[0] = (byte)(StringOffset + length);
        WriteInteger(destination[1..], value, length);
        return 1 + length;
    }

    /// <summary>Writes the low <paramref name="length"/> bytes of a number, big-endian.</summary>
    internal static void WriteInteger(Span<byte> destination, ulong value, int length)
    {
        for (int i = length - 1; i >= 0; i--)
        {
            destination[i] = (byte)value;
            value >>= 8;
        }
    }

    /// <summary>Reads a big-endian number of any length; false above 64 bits. Leading zeros are accepted.</summary>
    public static bool TryReadInteger(ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        bytes = bytes.TrimStart((byte)0);
        if (bytes.Length > sizeof(ulong))
        {
            return false;
        }

        foreach (byte next in bytes)
        {
            value = (value << 8) | next;
        }

        return true;
    }

    private static int WriteHeader(Span<byte> destination, byte offset, int payloadLength)
    {
        if (payloadLength <= ShortLimit)
        {
            destination[0] = (byte)(offset + payloadLength);
            return 1;
        }

        int length = GetIntegerLength((ulong)payloadLength);
        destination[0] = (byte)(offset + ShortLimit + length);
        WriteInteger(destination[1..], (ulong)payloadLength, length);
        return 1 + length;
    }
}

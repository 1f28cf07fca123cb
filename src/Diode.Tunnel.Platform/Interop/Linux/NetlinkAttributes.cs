using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>Walks over netlink attributes. Never throws; a malformed rest ends the walk.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private const int HeaderLength = 4;

    private ReadOnlySpan<byte> _rest = bytes;

    internal bool TryRead(out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (_rest.Length < HeaderLength)
        {
            return false;
        }

        ushort length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
        if (length < HeaderLength || length > _rest.Length)
        {
            return false;
        }

        type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]) & NetlinkConstants.NLA_TYPE_MASK);
        value = _rest[HeaderLength..length];
        int padded = (length + 3) & ~3;
        _rest = padded >= _rest.Length ? default : _rest[padded..];
        return true;
    }

    /// <summary>A u32 value; 0 if the attribute is too short.</summary>
    internal static uint UInt32(ReadOnlySpan<byte> value) =>
        BinaryPrimitives.TryReadUInt32LittleEndian(value, out uint number) ? number : 0;

    /// <summary>A string value up to its terminating zero.</summary>
    internal static string Text(ReadOnlySpan<byte> value)
    {
        int end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    /// <summary>An address value, or null if it has neither 4 nor 16 bytes.</summary>
    internal static IPAddress? Address(ReadOnlySpan<byte> value) =>
        value.Length is 4 or 16 ? new IPAddress(value) : null;
}

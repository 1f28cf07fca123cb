using System.Buffers.Binary;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>Walks over the netlink messages of one datagram. Never throws; a malformed rest ends the walk.</summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> datagram)
{
    private ReadOnlySpan<byte> _rest = datagram;

    internal bool TryRead(out NetlinkMessage message)
    {
        message = default;
        if (_rest.Length < NetlinkWriter.HeaderLength)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(_rest);
        if (length < NetlinkWriter.HeaderLength || length > (uint)_rest.Length)
        {
            return false;
        }

        message = new NetlinkMessage(_rest[..(int)length]);
        int padded = ((int)length + 3) & ~3;
        _rest = padded >= _rest.Length ? default : _rest[padded..];
        return true;
    }
}

/// <summary>One netlink message.</summary>
internal readonly ref struct NetlinkMessage
{
    private readonly ReadOnlySpan<byte> _bytes;

    /// <param name="bytes">Header and body; at least the header's 16 bytes.</param>
    internal NetlinkMessage(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    internal ushort Type => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[4..]);

    internal ushort Flags => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[6..]);

    internal uint Sequence => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[8..]);

    internal ReadOnlySpan<byte> Body => _bytes[NetlinkWriter.HeaderLength..];

    /// <summary>Splits the body into the family header and the attributes.</summary>
    internal bool TrySplit(int familyHeaderLength, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes)
    {
        ReadOnlySpan<byte> body = Body;
        if (body.Length < familyHeaderLength)
        {
            header = default;
            attributes = default;
            return false;
        }

        header = body[..familyHeaderLength];
        int start = (familyHeaderLength + 3) & ~3;
        attributes = new NetlinkAttributes(start >= body.Length ? default : body[start..]);
        return true;
    }

    /// <summary>
    /// Reads NLMSG_ERROR: the errno (0 = acknowledged) and the kernel's explanation, if it sent one
    /// (NETLINK_EXT_ACK: attributes behind the echoed request header).
    /// </summary>
    internal bool TryReadError(out int errno, out string? explanation)
    {
        explanation = null;
        errno = 0;
        ReadOnlySpan<byte> body = Body;
        if (body.Length < sizeof(int) + NetlinkWriter.HeaderLength)
        {
            return false;
        }

        int negative = BinaryPrimitives.ReadInt32LittleEndian(body);
        errno = negative == int.MinValue ? int.MaxValue : Math.Abs(negative);
        if ((Flags & NetlinkConstants.NLM_F_ACK_TLVS) == 0)
        {
            return true;
        }

        ReadOnlySpan<byte> echoed = body[sizeof(int)..];
        uint echoedLength = (Flags & NetlinkConstants.NLM_F_CAPPED) != 0
            ? NetlinkWriter.HeaderLength
            : BinaryPrimitives.ReadUInt32LittleEndian(echoed);
        if (echoedLength > (uint)echoed.Length)
        {
            return true;
        }

        int start = ((int)echoedLength + 3) & ~3;
        NetlinkAttributes attributes = new(start >= echoed.Length ? default : echoed[start..]);
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == NetlinkConstants.NLMSGERR_ATTR_MSG)
            {
                explanation = NetlinkAttributes.Text(value);
            }
        }

        return true;
    }
}

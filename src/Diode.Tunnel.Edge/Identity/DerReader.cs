namespace Diode.Tunnel.Edge.Identity;

/// <summary>
/// Reads DER: definite, shortest lengths and single-byte tags only. Never reads past its input; after a false return
/// the position is undefined.
/// </summary>
internal ref struct DerReader(ReadOnlySpan<byte> data)
{
    public const byte Boolean = 0x01;
    public const byte Integer = 0x02;
    public const byte BitString = 0x03;
    public const byte OctetString = 0x04;
    public const byte ObjectIdentifier = 0x06;
    public const byte Utf8String = 0x0c;
    public const byte UtcTime = 0x17;
    public const byte Sequence = 0x30;
    public const byte Set = 0x31;

    private ReadOnlySpan<byte> _rest = data;

    public readonly bool IsEmpty => _rest.IsEmpty;

    /// <summary>The tag of the next element; 0, which DER does not use, at the end.</summary>
    public readonly byte NextTag => _rest.IsEmpty ? (byte)0 : _rest[0];

    public bool TryRead(byte tag, out ReadOnlySpan<byte> content)
    {
        return NextTag == tag && TryReadAny(out content) || Fail(out content);
    }

    public bool TryReadNested(byte tag, out DerReader content)
    {
        bool read = TryRead(tag, out ReadOnlySpan<byte> bytes);
        content = new DerReader(bytes);
        return read;
    }

    public bool TryReadAny(out ReadOnlySpan<byte> content)
    {
        content = default;
        if (_rest.Length < 2 || (_rest[0] & 0x1f) == 0x1f)
        {
            return false;
        }

        int length = _rest[1];
        int header = 2;
        if (length >= 0x80)
        {
            // Certificates are far below 64 KiB: lengths of one or two bytes, shortest form.
            int count = length - 0x80;
            header += count;
            if (count is 0 or > 2 || _rest.Length < header)
            {
                return false;
            }

            length = count == 1 ? _rest[2] : (_rest[2] << 8) | _rest[3];
            if (length < (count == 1 ? 0x80 : 0x100))
            {
                return false;
            }
        }

        if (_rest.Length - header < length)
        {
            return false;
        }

        content = _rest.Slice(header, length);
        _rest = _rest[(header + length)..];
        return true;
    }

    private static bool Fail(out ReadOnlySpan<byte> content)
    {
        content = default;
        return false;
    }
}

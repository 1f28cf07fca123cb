namespace Diode.Tunnel.Edge.Identity;

/// <summary>Builds DER elements; for the few hundred bytes of a certificate, so plain arrays do.</summary>
internal static class DerWriter
{
    public static byte[] Tagged(byte tag, params ReadOnlySpan<byte[]> contents)
    {
        int length = 0;
        foreach (byte[] content in contents)
        {
            length += content.Length;
        }

        byte[] header = length switch
        {
            < 0x80 => [tag, (byte)length],
            < 0x100 => [tag, 0x81, (byte)length],
            _ => [tag, 0x82, (byte)(length >> 8), (byte)length],
        };
        byte[] element = new byte[header.Length + length];
        header.CopyTo(element, 0);
        int at = header.Length;
        foreach (byte[] content in contents)
        {
            content.CopyTo(element, at);
            at += content.Length;
        }

        return element;
    }

    public static byte[] Sequence(params ReadOnlySpan<byte[]> contents)
    {
        return Tagged(DerReader.Sequence, contents);
    }

    public static byte[] OctetString(byte[] content)
    {
        return Tagged(DerReader.OctetString, content);
    }

    public static byte[] BitString(byte[] content)
    {
        return Tagged(DerReader.BitString, [0], content);
    }

    public static byte[] ObjectIdentifier(ReadOnlySpan<byte> content)
    {
        return Tagged(DerReader.ObjectIdentifier, content.ToArray());
    }

    /// <summary>A non-negative number given as big-endian bytes.</summary>
    public static byte[] UnsignedInteger(byte[] bigEndian)
    {
        ReadOnlySpan<byte> digits = bigEndian.AsSpan().TrimStart((byte)0);
        return digits.IsEmpty || digits[0] >= 0x80
            ? Tagged(DerReader.Integer, [0, .. digits])
            : Tagged(DerReader.Integer, digits.ToArray());
    }
}

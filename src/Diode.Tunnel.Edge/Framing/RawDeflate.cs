using System.Buffers.Binary;
using System.IO.Compression;

namespace Diode.Tunnel.Edge.Framing;

/// <summary>
/// Raw deflate (RFC 1951, no header, no checksum), which Diode calls "zlib": Edge frames after a hello with that flag
/// (§2.5) and all peer frames (§6.1). Every payload is compressed on its own.
/// </summary>
public static class RawDeflate
{
    /// <summary>
    /// Inflates one payload; false when it is no deflate stream or grows beyond <paramref name="maxLength"/> bytes.
    /// </summary>
    public static bool TryInflate(ReadOnlySpan<byte> compressed, int maxLength, out byte[] inflated)
    {
        return TryInflate(compressed, maxLength, static input => new DeflateStream(input, CompressionMode.Decompress), out inflated);
    }

    /// <summary>Inflates a stream with a zlib header (RFC 1950), as External Term Format tag 80 holds it.</summary>
    public static bool TryInflateZlib(ReadOnlySpan<byte> compressed, int maxLength, out byte[] inflated)
    {
        return TryInflate(compressed, maxLength, static input => new ZLibStream(input, CompressionMode.Decompress), out inflated);
    }

    /// <summary>Deflates one payload, fastest level. What does not shrink is stored: the result is at most five bytes per 65,535 longer.</summary>
    public static byte[] Deflate(ReadOnlySpan<byte> data)
    {
        using var output = new MemoryStream();
        using (var deflate = new DeflateStream(output, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(data);
        }

        return output.Length < data.Length ? output.ToArray() : Store(data);
    }

    /// <summary>Stored blocks: <code>final flag (1) | u16le length | its complement | bytes</code></summary>
    private static byte[] Store(ReadOnlySpan<byte> data)
    {
        const int HeaderLength = 5;
        int blocks = Math.Max(1, (data.Length + ushort.MaxValue - 1) / ushort.MaxValue);
        byte[] stored = new byte[data.Length + (blocks * HeaderLength)];
        Span<byte> at = stored;
        for (; blocks > 0; blocks--)
        {
            ReadOnlySpan<byte> block = data[..Math.Min(data.Length, ushort.MaxValue)];
            at[0] = (byte)(blocks == 1 ? 1 : 0);
            BinaryPrimitives.WriteUInt16LittleEndian(at[1..], (ushort)block.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(at[3..], (ushort)~block.Length);
            block.CopyTo(at[HeaderLength..]);
            at = at[(HeaderLength + block.Length)..];
            data = data[block.Length..];
        }

        return stored;
    }

    private static bool TryInflate(
        ReadOnlySpan<byte> compressed, int maxLength, Func<Stream, Stream> open, out byte[] inflated)
    {
        inflated = [];
        if (compressed.IsEmpty)
        {
            return false;
        }

        using Stream stream = open(new MemoryStream(compressed.ToArray()));
        using var output = new MemoryStream();
        Span<byte> chunk = stackalloc byte[4096];
        try
        {
            int count;
            while ((count = stream.Read(chunk)) > 0)
            {
                if (output.Length + count > maxLength)
                {
                    return false;
                }

                output.Write(chunk[..count]);
            }
        }
        catch (InvalidDataException)
        {
            // The only way the framework reports damaged input.
            return false;
        }

        inflated = output.ToArray();
        return true;
    }
}

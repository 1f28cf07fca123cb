using System.Buffers.Binary;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// What a server looks at in a ClientHello before the TLS library does: the version and the group must be ours. The
/// alerts are those of a real relay, whichever library is behind the engine.
/// </summary>
internal static class ClientHelloCheck
{
    private const ushort Tls12 = 0x0303;
    private const ushort Secp256k1 = 22;
    private const ushort SupportedGroups = 10;
    private const ushort SupportedVersions = 43;

    private static readonly TlsRefusal Malformed = new(TlsAlert.DecodeError, "the ClientHello is malformed");

    private static readonly TlsRefusal WrongVersion =
        new(TlsAlert.ProtocolVersion, "unsupported protocol: the client does not offer TLS 1.2");

    private static readonly TlsRefusal WrongGroup =
        new(TlsAlert.InsufficientSecurity, "the client does not offer the curve secp256k1");

    /// <summary>Null to go on.</summary>
    public static TlsRefusal? Check(ReadOnlySpan<byte> body)
    {
        if (body.Length < 2 + 32)
        {
            return Malformed;
        }

        if (BinaryPrimitives.ReadUInt16BigEndian(body) < Tls12)
        {
            return WrongVersion;
        }

        body = body[34..];
        if (!TryRead(ref body, 1, out _) || !TryRead(ref body, 2, out _) || !TryRead(ref body, 1, out _))
        {
            return Malformed;
        }

        if (body.IsEmpty)
        {
            return null;
        }

        if (!TryRead(ref body, 2, out ReadOnlySpan<byte> extensions) || !body.IsEmpty)
        {
            return Malformed;
        }

        // A client without TLS 1.2 is told so, whatever else it lacks.
        TlsRefusal? refusal = null;
        while (!extensions.IsEmpty)
        {
            if (extensions.Length < 4)
            {
                return Malformed;
            }

            ushort type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[2..];
            if (!TryRead(ref extensions, 2, out ReadOnlySpan<byte> data))
            {
                return Malformed;
            }

            TlsRefusal? found = type switch
            {
                SupportedVersions => CheckList(data, 1, Tls12, WrongVersion),
                SupportedGroups => CheckList(data, 2, Secp256k1, WrongGroup),
                _ => null,
            };
            if (found == WrongGroup)
            {
                refusal = found;
            }
            else if (found is not null)
            {
                return found;
            }
        }

        return refusal;
    }

    private static TlsRefusal? CheckList(
        ReadOnlySpan<byte> data, int lengthBytes, ushort wanted, TlsRefusal missing)
    {
        if (!TryRead(ref data, lengthBytes, out ReadOnlySpan<byte> list) || !data.IsEmpty || list.Length % 2 != 0)
        {
            return Malformed;
        }

        for (; !list.IsEmpty; list = list[2..])
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(list) == wanted)
            {
                return null;
            }
        }

        return missing;
    }

    /// <summary>A vector with its length in one or two bytes before it.</summary>
    private static bool TryRead(scoped ref ReadOnlySpan<byte> from, int lengthBytes, out ReadOnlySpan<byte> vector)
    {
        vector = default;
        if (from.Length < lengthBytes)
        {
            return false;
        }

        int length = lengthBytes == 1 ? from[0] : BinaryPrimitives.ReadUInt16BigEndian(from);
        if (from.Length - lengthBytes < length)
        {
            return false;
        }

        vector = from.Slice(lengthBytes, length);
        from = from[(lengthBytes + length)..];
        return true;
    }
}

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// The strict check of a peer's certificate before any TLS library parses it: one DER certificate whose key is a point of
/// the named curve secp256k1. Who the peer is decides the validator afterwards.
/// </summary>
internal static class PeerCertificateCheck
{
    /// <summary>Longer ones are refused unread; a Diode certificate has some 460 bytes.</summary>
    public const int MaxLength = 8192;

    private const byte Integer = 0x02;
    private const byte BitString = 0x03;
    private const byte ObjectIdentifier = 0x06;
    private const byte Sequence = 0x30;
    private const byte Version = 0xa0;
    private const byte IssuerId = 0x81;
    private const byte SubjectId = 0x82;
    private const byte Extensions = 0xa3;

    /// <summary>1.2.840.10045.2.1</summary>
    private static ReadOnlySpan<byte> EcPublicKey => [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

    /// <summary>1.3.132.0.10</summary>
    private static ReadOnlySpan<byte> Secp256k1 => [0x2b, 0x81, 0x04, 0x00, 0x0a];

    /// <summary>Null to accept; otherwise the refusal. An exception of the validator is one, too.</summary>
    public static TlsRefusal? Check(ReadOnlySpan<byte> der, TlsPeerValidator validator)
    {
        if (CheckForm(der) is { } refusal)
        {
            return refusal;
        }

        try
        {
            return validator(der)
                ? null
                : new TlsRefusal(TlsAlert.BadCertificate, "the peer's certificate was refused");
        }
        catch (Exception exception)
        {
            return new TlsRefusal(
                TlsAlert.BadCertificate,
                $"the validator of the peer certificate failed: {exception.GetType().Name}");
        }
    }

    /// <summary>Null if the form is right.</summary>
    public static TlsRefusal? CheckForm(ReadOnlySpan<byte> der)
    {
        return der.Length <= MaxLength && TryFindKey(der, out ReadOnlySpan<byte> keyInfo)
            ? CheckKey(keyInfo)
            : new TlsRefusal(TlsAlert.BadCertificate, "the peer's certificate is malformed");
    }

    private static TlsRefusal? CheckKey(ReadOnlySpan<byte> keyInfo)
    {
        if (!TryRead(ref keyInfo, Sequence, out ReadOnlySpan<byte> algorithm)
            || !TryRead(ref algorithm, ObjectIdentifier, out ReadOnlySpan<byte> type)
            || !TryRead(ref keyInfo, BitString, out ReadOnlySpan<byte> bits)
            || !keyInfo.IsEmpty)
        {
            return new TlsRefusal(TlsAlert.BadCertificate, "the peer's certificate is malformed");
        }

        if (!type.SequenceEqual(EcPublicKey)
            || !TryRead(ref algorithm, ObjectIdentifier, out ReadOnlySpan<byte> curve)
            || !algorithm.IsEmpty
            || !curve.SequenceEqual(Secp256k1))
        {
            return new TlsRefusal(TlsAlert.UnsupportedCertificate, "the peer's key is not on the curve secp256k1");
        }

        // Uncompressed, or compressed as in one of the conformance vectors; no infinity, no hybrid form.
        return bits switch
        {
            [0, 4, ..] when bits.Length == 66 => null,
            [0, 2 or 3, ..] when bits.Length == 34 => null,
            _ => new TlsRefusal(TlsAlert.BadCertificate, "the peer's key is no point"),
        };
    }

    private static bool TryFindKey(ReadOnlySpan<byte> der, out ReadOnlySpan<byte> keyInfo)
    {
        keyInfo = default;
        return TryRead(ref der, Sequence, out ReadOnlySpan<byte> certificate)
            && der.IsEmpty
            && TryRead(ref certificate, Sequence, out ReadOnlySpan<byte> tbs)
            && TryRead(ref certificate, Sequence, out _)
            && TryRead(ref certificate, BitString, out ReadOnlySpan<byte> signature)
            && signature.Length > 1
            && certificate.IsEmpty
            && TryRead(ref tbs, Version, out ReadOnlySpan<byte> version)
            && version.SequenceEqual((ReadOnlySpan<byte>)[Integer, 1, 2])
            && TryRead(ref tbs, Integer, out ReadOnlySpan<byte> serial)
            && !serial.IsEmpty
            && TryRead(ref tbs, Sequence, out _)
            && TryRead(ref tbs, Sequence, out _)
            && TryRead(ref tbs, Sequence, out _)
            && TryRead(ref tbs, Sequence, out _)
            && TryRead(ref tbs, Sequence, out keyInfo)
            && TryReadOptional(ref tbs, IssuerId)
            && TryReadOptional(ref tbs, SubjectId)
            && TryReadOptional(ref tbs, Extensions)
            && tbs.IsEmpty;
    }

    private static bool TryReadOptional(scoped ref ReadOnlySpan<byte> from, byte tag) =>
        from.IsEmpty || from[0] != tag || TryRead(ref from, tag, out _);

    /// <summary>One DER value with a definite, shortest length of up to two bytes.</summary>
    private static bool TryRead(scoped ref ReadOnlySpan<byte> from, byte tag, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (from.Length < 2 || from[0] != tag)
        {
            return false;
        }

        int header = 2;
        int length = from[1];
        if (length >= 0x80)
        {
            header = length - 0x80 + 2;
            if (header is not (3 or 4) || from.Length < header)
            {
                return false;
            }

            length = header == 3 ? from[2] : (from[2] << 8) | from[3];
            if (length < (header == 3 ? 0x80 : 0x100))
            {
                return false;
            }
        }

        if (from.Length - header < length)
        {
            return false;
        }

        content = from.Slice(header, length);
        from = from[(header + length)..];
        return true;
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>
/// A STUN message read in place (RFC 8489 §5, §14): well-formed down to the attributes, with a right fingerprint if it has
/// one. Slices of the datagram.
/// </summary>
internal readonly ref struct StunMessage
{
    public const int HeaderLength = 20;
    public const int TransactionIdLength = 12;
    public const uint MagicCookie = 0x2112a442;

    private const int IntegrityLength = 20;
    private const int AttributeHeaderLength = 4;
    private const uint FingerprintXor = 0x5354554e;

    private readonly ReadOnlySpan<byte> _bytes;

    // Attributes end here: what follows the integrity is not covered by it and ignored.
    private readonly int _end;
    private readonly int _integrityAt;

    private StunMessage(ReadOnlySpan<byte> bytes, int end, int integrityAt, bool hasFingerprint, ushort unknown)
    {
        _bytes = bytes;
        _end = end;
        _integrityAt = integrityAt;
        HasFingerprint = hasFingerprint;
        UnknownRequired = unknown;
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        Method = (ushort)((type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2));
        Class = (StunClass)(((type & 0x0010) >> 4) | ((type & 0x0100) >> 7));
    }

    public ushort Method { get; }

    public StunClass Class { get; }

    public ReadOnlySpan<byte> TransactionId => _bytes.Slice(8, TransactionIdLength);

    public bool HasIntegrity => _integrityAt != 0;

    public bool HasFingerprint { get; }

    /// <summary>The first attribute that must be understood and is not; 0 = none.</summary>
    public ushort UnknownRequired { get; }

    /// <summary>Reads a datagram; false for what is no STUN message.</summary>
    public static bool TryRead(ReadOnlySpan<byte> datagram, out StunMessage message)
    {
        message = default;
        if (datagram.Length < HeaderLength
            || datagram[0] >= 0x40
            || BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]) != MagicCookie
            || BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) != datagram.Length - HeaderLength
            || datagram.Length % 4 != 0)
        {
            return false;
        }

        int integrityAt = 0;
        int end = datagram.Length;
        bool hasFingerprint = false;
        ushort unknown = 0;
        for (int at = HeaderLength; at < datagram.Length;)
        {
            if (hasFingerprint || datagram.Length - at < AttributeHeaderLength)
            {
                return false;
            }

            ushort type = BinaryPrimitives.ReadUInt16BigEndian(datagram[at..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[(at + 2)..]);
            int padded = (length + 3) & ~3;
            if (padded > datagram.Length - at - AttributeHeaderLength)
            {
                return false;
            }

            if (type == StunAttribute.Fingerprint)
            {
                if (length != sizeof(uint)
                    || BinaryPrimitives.ReadUInt32BigEndian(datagram[(at + AttributeHeaderLength)..])
                        != (Crc32.Compute(datagram[..at]) ^ FingerprintXor))
                {
                    return false;
                }

                hasFingerprint = true;
                end = Math.Min(end, at);
            }
            else if (integrityAt == 0 && type == StunAttribute.MessageIntegrity)
            {
                if (length != IntegrityLength)
                {
                    return false;
                }

                integrityAt = at;
                end = at;
            }
            else if (integrityAt == 0 && unknown == 0 && !StunAttribute.IsKnown(type))
            {
                unknown = type;
            }

            at += AttributeHeaderLength + padded;
        }

        message = new StunMessage(datagram, end, integrityAt, hasFingerprint, unknown);
        return true;
    }

    /// <summary>The value of the first attribute of a type.</summary>
    public bool TryFind(ushort type, out ReadOnlySpan<byte> value)
    {
        int at = HeaderLength;
        return TryFindNext(type, ref at, out value);
    }

    /// <summary>The value of the next attribute of a type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="at">Where to go on; 0 or <see cref="HeaderLength"/> at first.</param>
    /// <param name="value">The value without padding.</param>
    public bool TryFindNext(ushort type, scoped ref int at, out ReadOnlySpan<byte> value)
    {
        at = Math.Max(at, HeaderLength);
        while (at < _end)
        {
            ushort found = BinaryPrimitives.ReadUInt16BigEndian(_bytes[at..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(_bytes[(at + 2)..]);
            value = _bytes.Slice(at + AttributeHeaderLength, length);
            at += AttributeHeaderLength + ((length + 3) & ~3);
            if (found == type)
            {
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Whether the message was made with this key (RFC 8489 §14.5).</summary>
    public bool HasIntegrityOf(ReadOnlySpan<byte> key)
    {
        if (_integrityAt == 0)
        {
            return false;
        }

        // The length in the header counts up to and with the integrity, whatever follows.
        Span<byte> expected = stackalloc byte[IntegrityLength];
        StunWriter.ComputeIntegrity(key, _bytes[.._integrityAt], expected);
        return CryptographicOperations.FixedTimeEquals(
            expected, _bytes.Slice(_integrityAt + AttributeHeaderLength, IntegrityLength));
    }

    /// <summary>Reads an IPv4 address attribute that is combined with the cookie; false for other families.</summary>
    public static bool TryReadXorIpv4(ReadOnlySpan<byte> value, out TurnPeer peer)
    {
        const int ipv4Length = 8;
        bool good = value.Length == ipv4Length && value[1] == 1;
        peer = good
            ? new TurnPeer(
                BinaryPrimitives.ReadUInt32BigEndian(value[4..]) ^ MagicCookie,
                (ushort)(BinaryPrimitives.ReadUInt16BigEndian(value[2..]) ^ (MagicCookie >> 16)))
            : default;
        return good;
    }
}

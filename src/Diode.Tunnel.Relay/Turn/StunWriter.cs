using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>Writes a STUN message into a buffer that is large enough.</summary>
internal ref struct StunWriter
{
    private const int IntegrityLength = 20;
    private const int AttributeHeaderLength = 4;
    private const int LongestReason = 64;
    private const uint FingerprintXor = 0x5354554e;

    private readonly Span<byte> _buffer;
    private int _length;

    /// <summary>Begins a message.</summary>
    public StunWriter(Span<byte> buffer, ushort method, StunClass @class, ReadOnlySpan<byte> transactionId)
    {
        _buffer = buffer;
        int type = (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2)
            | (((int)@class & 1) << 4) | (((int)@class & 2) << 7);
        BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)type);
        BinaryPrimitives.WriteUInt32BigEndian(buffer[4..], StunMessage.MagicCookie);
        transactionId.CopyTo(buffer[8..]);
        _length = StunMessage.HeaderLength;
    }

    public void Write(ushort type, scoped ReadOnlySpan<byte> value)
    {
        value.CopyTo(Begin(type, value.Length));
    }

    public void Write(ushort type, uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Begin(type, sizeof(uint)), value);
    }

    /// <summary>Makes an attribute of what is in the buffer already, 4 bytes behind what was written so far.</summary>
    public void WriteInPlace(ushort type, int length)
    {
        Begin(type, length);
    }

    public void Write(in StunError error)
    {
        Span<byte> reason = stackalloc byte[LongestReason];
        int length = Encoding.ASCII.GetBytes(error.Reason, reason);
        Span<byte> value = Begin(StunAttribute.ErrorCode, AttributeHeaderLength + length);
        value[..AttributeHeaderLength].Clear();
        value[2] = (byte)(error.Code / 100);
        value[3] = (byte)(error.Code % 100);
        reason[..length].CopyTo(value[AttributeHeaderLength..]);
    }

    /// <summary>Writes an address combined with cookie and transaction id (RFC 8489 §14.2).</summary>
    public void WriteXorAddress(ushort type, scoped ReadOnlySpan<byte> ip, ushort port)
    {
        Span<byte> value = Begin(type, AttributeHeaderLength + ip.Length);
        value[0] = 0;
        value[1] = (byte)(ip.Length == 4 ? 1 : 2);
        BinaryPrimitives.WriteUInt16BigEndian(value[2..], (ushort)(port ^ (StunMessage.MagicCookie >> 16)));
        for (int i = 0; i < ip.Length; i++)
        {
            value[4 + i] = (byte)(ip[i] ^ _buffer[4 + i]);
        }
    }

    public void WriteXorAddress(ushort type, TurnPeer peer)
    {
        Span<byte> ip = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(ip, peer.Ip);
        WriteXorAddress(type, ip, peer.Port);
    }

    /// <summary>Signs what was written so far.</summary>
    public void WriteIntegrity(ReadOnlySpan<byte> key)
    {
        Span<byte> mac = stackalloc byte[IntegrityLength];
        ComputeIntegrity(key, _buffer[.._length], mac);
        Write(StunAttribute.MessageIntegrity, mac);
    }

    /// <summary>Writes the checksum; the last attribute.</summary>
    public void WriteFingerprint()
    {
        int at = _length;
        Span<byte> value = Begin(StunAttribute.Fingerprint, sizeof(uint));
        SetLength();
        BinaryPrimitives.WriteUInt32BigEndian(value, Crc32.Compute(_buffer[..at]) ^ FingerprintXor);
    }

    /// <summary>The whole message.</summary>
    public readonly ReadOnlySpan<byte> Finish()
    {
        SetLength();
        return _buffer[.._length];
    }

    /// <summary>HMAC-SHA1 over a message whose header counts the integrity as its last attribute.</summary>
    [SuppressMessage("Security", "CA5350:Do Not Use Weak Cryptographic Algorithms", Justification = "RFC 8489 §14.5; HMAC-SHA1 is not broken.")]
    public static void ComputeIntegrity(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        Span<byte> header = stackalloc byte[StunMessage.HeaderLength];
        message[..StunMessage.HeaderLength].CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(
            header[2..], (ushort)(message.Length - StunMessage.HeaderLength + AttributeHeaderLength + IntegrityLength));
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA1, key);
        hmac.AppendData(header);
        hmac.AppendData(message[StunMessage.HeaderLength..]);
        hmac.GetHashAndReset(mac);
    }

    private readonly void SetLength()
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[2..], (ushort)(_length - StunMessage.HeaderLength));
    }

    private Span<byte> Begin(ushort type, int length)
    {
        int padded = (length + 3) & ~3;
        Span<byte> attribute = _buffer.Slice(_length, AttributeHeaderLength + padded);
        BinaryPrimitives.WriteUInt16BigEndian(attribute, type);
        BinaryPrimitives.WriteUInt16BigEndian(attribute[2..], (ushort)length);
        attribute[(AttributeHeaderLength + length)..].Clear();
        _length += attribute.Length;
        return attribute.Slice(AttributeHeaderLength, length);
    }
}

using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>First message of a handshake, a view over its 148 bytes (WireGuard §5.4.2).</summary>
/// <remarks>
/// <code>
///   0        1                4               8
///  +--------+----------------+---------------+
///  | type=1 | reserved = 0   | sender index  |
///  +--------+----------------+---------------+
///   8   ephemeral              32 bytes, plain
///   40  static                 32 + 16 bytes, sealed
///   88  timestamp              12 + 16 bytes, sealed (TAI64N)
///   116 mac1                   16 bytes
///   132 mac2                   16 bytes, zero without a cookie
/// </code>
/// </remarks>
internal readonly ref struct HandshakeInitiation
{
    public const int Length = 148;
    private readonly Span<byte> _bytes;

    /// <summary>Views exactly <see cref="Length"/> bytes.</summary>
    public HandshakeInitiation(Span<byte> bytes)
    {
        _bytes = bytes[..Length];
    }

    public uint SenderIndex => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[4..]);

    public Span<byte> Ephemeral => _bytes.Slice(8, 32);

    public Span<byte> Static => _bytes.Slice(40, 48);

    public Span<byte> Timestamp => _bytes.Slice(88, 28);

    public void WriteHeader(uint senderIndex)
    {
        _bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes, (uint)MessageType.HandshakeInitiation);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes[4..], senderIndex);
    }
}

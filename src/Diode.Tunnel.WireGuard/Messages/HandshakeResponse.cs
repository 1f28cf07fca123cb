using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>Second message of a handshake, a view over its 92 bytes (WireGuard §5.4.3).</summary>
/// <remarks>
/// <code>
///   0        1                4               8                12
///  +--------+----------------+---------------+----------------+
///  | type=2 | reserved = 0   | sender index  | receiver index |
///  +--------+----------------+---------------+----------------+
///   12  ephemeral              32 bytes, plain
///   44  empty                  0 + 16 bytes, sealed
///   60  mac1                   16 bytes
///   76  mac2                   16 bytes, zero without a cookie
/// </code>
/// </remarks>
internal readonly ref struct HandshakeResponse
{
    public const int Length = 92;
    private readonly Span<byte> _bytes;

    /// <summary>Views exactly <see cref="Length"/> bytes.</summary>
    public HandshakeResponse(Span<byte> bytes)
    {
        _bytes = bytes[..Length];
    }

    public uint SenderIndex => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[4..]);

    public uint ReceiverIndex => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[8..]);

    public Span<byte> Ephemeral => _bytes.Slice(12, 32);

    public Span<byte> Empty => _bytes.Slice(44, 16);

    public void WriteHeader(uint senderIndex, uint receiverIndex)
    {
        _bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes, (uint)MessageType.HandshakeResponse);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes[4..], senderIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes[8..], receiverIndex);
    }
}

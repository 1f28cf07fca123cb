using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>Answer of a loaded receiver to a handshake message, a view over its 64 bytes (WireGuard §5.4.7).</summary>
/// <remarks>
/// <code>
///   0        1                4                8
///  +--------+----------------+----------------+
///  | type=3 | reserved = 0   | receiver index |
///  +--------+----------------+----------------+
///   8   nonce                  24 bytes
///   32  cookie                 16 + 16 bytes, sealed (XChaCha20-Poly1305)
/// </code>
/// </remarks>
internal readonly ref struct CookieReply
{
    public const int Length = 64;
    public const int CookieLength = 16;
    private readonly Span<byte> _bytes;

    /// <summary>Views exactly <see cref="Length"/> bytes.</summary>
    public CookieReply(Span<byte> bytes)
    {
        _bytes = bytes[..Length];
    }

    public uint ReceiverIndex => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[4..]);

    public Span<byte> Nonce => _bytes.Slice(8, 24);

    public Span<byte> Cookie => _bytes.Slice(32, 32);

    public void WriteHeader(uint receiverIndex)
    {
        _bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes, (uint)MessageType.CookieReply);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes[4..], receiverIndex);
    }
}

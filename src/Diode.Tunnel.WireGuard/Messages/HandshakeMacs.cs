namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>The last 32 bytes of both handshake messages (WireGuard §5.4.4).</summary>
/// <remarks>
/// <code>
///  | message ........................ | mac1 (16) | mac2 (16) |
///  |&lt;--------- mac1 covers ----------&gt;|           |
///  |&lt;--------- mac2 covers ----------------------&gt;|
/// </code>
/// </remarks>
internal static class HandshakeMacs
{
    public const int MacLength = 16;

    public static Span<byte> CoveredByMac1(Span<byte> message)
    {
        return message[..^(2 * MacLength)];
    }

    public static Span<byte> Mac1(Span<byte> message)
    {
        return message.Slice(message.Length - (2 * MacLength), MacLength);
    }

    public static Span<byte> CoveredByMac2(Span<byte> message)
    {
        return message[..^MacLength];
    }

    public static Span<byte> Mac2(Span<byte> message)
    {
        return message[^MacLength..];
    }
}

namespace Diode.Tunnel.WireGuard;

/// <summary>Values the WireGuard paper fixes (changing one breaks interoperability) and those it leaves to us.</summary>
/// <remarks>Durations are ticks of 100 ns, the unit of every <c>now</c> argument of this project.</remarks>
public static class WireGuardConstants
{
    // Specification: WireGuard §5.4 and §6.1.

    /// <summary>Bytes of every key, public, private or preshared.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of an AEAD tag.</summary>
    public const int TagLength = 16;

    /// <summary>Bytes in front of the ciphertext of a transport message.</summary>
    public const int TransportHeaderLength = 16;

    /// <summary>A transport message is padded to a multiple of this.</summary>
    public const int PaddingMultiple = 16;

    /// <summary>A keypair that sent this many messages is renewed.</summary>
    public const ulong RekeyAfterMessages = 1UL << 60;

    /// <summary>A keypair never carries more messages than this: 2^64 − 2^13 − 1.</summary>
    public const ulong RejectAfterMessages = ulong.MaxValue - (1UL << 13);

    /// <summary>The initiator of a keypair of this age renews it when it sends.</summary>
    public const long RekeyAfterTime = 120 * TimeSpan.TicksPerSecond;

    /// <summary>A keypair of this age carries nothing any more.</summary>
    public const long RejectAfterTime = 180 * TimeSpan.TicksPerSecond;

    /// <summary>Handshakes that go unanswered are given up after this time.</summary>
    public const long RekeyAttemptTime = 90 * TimeSpan.TicksPerSecond;

    /// <summary>Least time between two initiations to one peer.</summary>
    public const long RekeyTimeout = 5 * TimeSpan.TicksPerSecond;

    /// <summary>Received data is acknowledged by an empty packet when nothing was sent for this long.</summary>
    public const long KeepaliveTimeout = 10 * TimeSpan.TicksPerSecond;

    /// <summary>Key material unused for this long is erased.</summary>
    public const long ZeroKeysAfterTime = 3 * RejectAfterTime;

    /// <summary>Age at which the secret behind cookies is replaced, and with it every cookie.</summary>
    public const long CookieLifetime = 120 * TimeSpan.TicksPerSecond;

    // Implementation.

    /// <summary>Upper bound (exclusive) of the random delay added to <see cref="RekeyTimeout"/>.</summary>
    public const long MaxTimerJitter = 334 * TimeSpan.TicksPerMillisecond;

    /// <summary>Initiations of one peer closer together than this are dropped: 50 a second.</summary>
    public const long InitiationInterval = TimeSpan.TicksPerSecond / 50;

    /// <summary>An initiator stops using a cookie this long before it expires, for the time on the way.</summary>
    public const long CookieLatency = 5 * TimeSpan.TicksPerSecond;

    /// <summary>Free bytes that sealing needs in front of a packet.</summary>
    public const int SealHeadroom = TransportHeaderLength;

    /// <summary>Free bytes that sealing needs behind a packet: padding and tag.</summary>
    public const int SealTailroom = PaddingMultiple - 1 + TagLength;

    /// <summary>What a transport message adds to a packet, padding not counted.</summary>
    public const int TransportOverhead = TransportHeaderLength + TagLength;
}

using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>The timestamp of an initiation: TAI64N, 12 bytes that compare as bytes (cr.yp.to/libtai/tai64.html).</summary>
internal static class Tai64N
{
    public const int Length = 12;

    /// <summary>TAI64 label of the Unix epoch, with the ten seconds that TAI was ahead then.</summary>
    private const ulong UnixEpoch = 0x400000000000000a;

    /// <summary>Steps of 2^24 ns (17 ms), so that the timestamp tells little about the sender's clock.</summary>
    public const long Step = 1 << 24;

    private const long NanosecondsPerTick = 100;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Rounds a time down to a whole step, in nanoseconds since the Unix epoch.</summary>
    public static long ToSteps(DateTimeOffset time)
    {
        long nanoseconds = (time - DateTimeOffset.UnixEpoch).Ticks * NanosecondsPerTick;
        return nanoseconds - (nanoseconds % Step);
    }

    public static void Write(long unixNanoseconds, Span<byte> destination)
    {
        ulong seconds = UnixEpoch + (ulong)(unixNanoseconds / NanosecondsPerSecond);
        BinaryPrimitives.WriteUInt64BigEndian(destination, seconds);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], (uint)(unixNanoseconds % NanosecondsPerSecond));
    }
}

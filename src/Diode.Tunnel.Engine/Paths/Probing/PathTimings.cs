namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>The pinned numbers of <see cref="PathAgent"/>, in ticks of 100 ns.</summary>
internal static class PathTimings
{
    private const long Ms = TimeSpan.TicksPerMillisecond;

    /// <summary>Gaps between the first pings to a candidate: both ends begin within some ms, NATs need one packet each way.</summary>
    public static readonly long[] Attempts = [0, 40 * Ms, 60 * Ms, 100 * Ms, 200 * Ms, 400 * Ms, 800 * Ms, 1600 * Ms];

    /// <summary>While there is traffic and no direct way the candidates are tried anew this often.</summary>
    public const long RetryCandidates = 30_000 * Ms;

    /// <summary>Heartbeat of the way in use while there is traffic.</summary>
    public const long ActiveHeartbeat = 1_000 * Ms;

    /// <summary>Heartbeat of the way in use without traffic: below the 30 s that NATs keep a UDP mapping at least.</summary>
    public const long IdleHeartbeat = 20_000 * Ms;

    /// <summary>Heartbeat of proven ways not in use, while there is traffic.</summary>
    public const long AlternateHeartbeat = 8_000 * Ms;

    /// <summary>Traffic within this time means active.</summary>
    public const long Active = 10_000 * Ms;

    /// <summary>A way not in use counts as proven for this long after its last answer.</summary>
    public const long Fresh = 25_000 * Ms;

    /// <summary>Data went out and nothing came back for this long (and twice the round trip): a ping asks why.</summary>
    public const long Silence = 200 * Ms;

    /// <summary>Gap between pings while the way in use does not answer: at first, and after <see cref="RapidPhase"/>.</summary>
    public const long Rapid = 100 * Ms;

    /// <inheritdoc cref="Rapid"/>
    public const long Slow = 500 * Ms;

    /// <summary>How long <see cref="Rapid"/> lasts.</summary>
    public const long RapidPhase = 5_000 * Ms;

    /// <summary>Unanswered pings in a row that make a way bad, if nothing else is heard on it either.</summary>
    public const int LostForDead = 4;

    /// <summary>The same while data still come in: the far end lives, so patience.</summary>
    public const int LostWhileHearing = 12;

    /// <summary>With no other proven way and this long without an answer the stream is used unproven: it is the floor.</summary>
    public const long GiveUp = 12_000 * Ms;

    /// <summary>How long a way that went bad must prove itself before it is used again; doubles each time up to <see cref="MaxHold"/>.</summary>
    public const long Hold = 3_000 * Ms;

    /// <inheritdoc cref="Hold"/>
    public const long MaxHold = 60_000 * Ms;

    /// <summary>A way that held for this long has its failures forgotten.</summary>
    public const long Forgive = 120_000 * Ms;

    /// <summary>Ways of a kind change for a better round trip only after this long …</summary>
    public const long MinStay = 5_000 * Ms;

    /// <summary>… and for a gain of this much and of a fifth.</summary>
    public const long MinGain = 2 * Ms;

    /// <summary>No direct way was found for this long, and there is traffic: a UDP port at the relay is worth it.</summary>
    public const long DirectPatience = 1_200 * Ms;

    /// <summary>The longest datagram ever sent: a packet of 1420 bytes and 32 of WireGuard.</summary>
    public const int FullDatagram = 1452;

    /// <summary>What every way must carry to be used.</summary>
    public const int LeastDatagram = 1172;

    /// <summary>Lengths that are tried at once when <see cref="FullDatagram"/> does not pass.</summary>
    public static readonly int[] Ladder = [1436, 1412, 1388, 1372, 1348, 1324, 1300, 1276, 1252, 1232, 1200, LeastDatagram];

    /// <summary>When a smaller length was found, the full one is tried again this often.</summary>
    public const long RaiseLength = 600_000 * Ms;

    /// <summary>How long to wait for an answer, from the smoothed round trip; unknown is 0.</summary>
    public static long Timeout(long roundTrip)
    {
        return roundTrip == 0 ? 400 * Ms : Math.Clamp((2 * roundTrip) + (60 * Ms), 100 * Ms, 1_000 * Ms);
    }
}

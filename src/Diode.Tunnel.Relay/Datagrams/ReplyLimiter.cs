using System.Buffers.Binary;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>
/// Bounds what is answered to senders that have proven nothing, whose addresses may be made up: per IPv4 address or IPv6
/// /64, and in all. Sources share buckets when there are many. One thread.
/// </summary>
internal sealed class ReplyLimiter
{
    private const int Buckets = 8192;
    private const int Burst = 50;
    private const int PerSecond = 20;
    private const int TotalBurst = 20_000;
    private const int TotalPerSecond = 10_000;

    private readonly TokenBucket[] _sources = new TokenBucket[Buckets];
    private readonly uint _seed = (uint)System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue);
    private TokenBucket _all = new(TotalBurst, TotalPerSecond);

    public ReplyLimiter()
    {
        Array.Fill(_sources, new TokenBucket(Burst, PerSecond));
    }

    /// <summary>Whether one more reply may go to this address (4 or 16 bytes).</summary>
    public bool TryTake(ReadOnlySpan<byte> ip, long nowMs)
    {
        ulong prefix = ip.Length == sizeof(uint)
            ? BinaryPrimitives.ReadUInt32BigEndian(ip)
            : BinaryPrimitives.ReadUInt64BigEndian(ip);
        uint bucket = (uint)(((prefix ^ _seed) * 0x9e3779b97f4a7c15) >> 40) % Buckets;
        return _sources[bucket].TryTake(nowMs) && _all.TryTake(nowMs);
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>
/// Handshake messages per source while under load: 20 a second, five at once, in a table of bounded size (WireGuard §5.3:
/// a valid mac2 proves the source, so limiting by it is fair). Thread-safe.
/// </summary>
internal sealed class HandshakeRateLimiter
{
    public const int PerSecond = 20;
    public const int Burst = 5;
    public const int MaxSources = 8192;

    private const long MessageCost = TimeSpan.TicksPerSecond / PerSecond;
    private const long MaxCredit = MessageCost * Burst;
    private const int Ipv4Length = 4;
    private const int Ipv6Length = 16;
    private const int PortLength = 2;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, Bucket> _buckets = [];
    private long _sweptAt = long.MinValue;

    /// <summary>Takes one message's worth of the source's credit. False if there is none, or no room for another source.</summary>
    public bool TryTake(ReadOnlySpan<byte> sourceAddress, long now)
    {
        ulong source = SourceKey(sourceAddress);
        lock (_gate)
        {
            if (_buckets.Count >= MaxSources && !_buckets.ContainsKey(source) && !TrySweep(now))
            {
                return false;
            }

            ref Bucket bucket = ref CollectionsMarshal.GetValueRefOrAddDefault(_buckets, source, out bool known);
            bucket.Credit = known ? Math.Min(MaxCredit, bucket.Credit + Math.Max(0, now - bucket.UsedAt)) : MaxCredit;
            bucket.UsedAt = now;
            if (bucket.Credit < MessageCost)
            {
                return false;
            }

            bucket.Credit -= MessageCost;
            return true;
        }
    }

    /// <summary>IPv4 by address, IPv6 by /64, ports ignored; anything else by its first eight bytes.</summary>
    private static ulong SourceKey(ReadOnlySpan<byte> address)
    {
        int length = address.Length is Ipv4Length or Ipv4Length + PortLength ? Ipv4Length : Math.Min(address.Length, 8);
        Span<byte> key = stackalloc byte[8];
        key.Clear();
        address[..length].CopyTo(key);
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(key);
        return address.Length is Ipv6Length or Ipv6Length + PortLength ? value : value ^ ((ulong)length << 56);
    }

    private bool TrySweep(long now)
    {
        // At most once a second: a full sweep per message would be an attack of its own.
        if (_sweptAt != long.MinValue && now - _sweptAt < TimeSpan.TicksPerSecond)
        {
            return false;
        }

        _sweptAt = now;
        foreach ((ulong source, Bucket bucket) in _buckets)
        {
            if (now - bucket.UsedAt >= TimeSpan.TicksPerSecond)
            {
                _buckets.Remove(source);
            }
        }

        return _buckets.Count < MaxSources;
    }

    private struct Bucket
    {
        public long UsedAt;
        public long Credit;
    }
}

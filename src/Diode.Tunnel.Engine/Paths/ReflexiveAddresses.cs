using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>What STUN has shown of this device's network.</summary>
internal enum UdpReach
{
    /// <summary>Nobody was asked, or the answer is still out.</summary>
    Unknown,

    /// <summary>Asked several times without an answer.</summary>
    Blocked,

    /// <summary>One address, whoever is spoken to, or only one server to tell.</summary>
    Stable,

    /// <summary>Another address for each receiver: a symmetric NAT.</summary>
    Varying,
}

/// <summary>
/// Asks relays by STUN under which address they see this device. Two different relays tell a NAT that keeps one mapping from one that
/// makes a new one for each receiver. Without sockets and clock; what was not asked for is ignored. Not thread-safe.
/// </summary>
internal sealed class ReflexiveAddresses
{
    /// <summary>Servers that are asked.</summary>
    public const int MaxServers = 6;

    private const int Attempts = 4;
    private const long Ms = TimeSpan.TicksPerMillisecond;
    private const long Refresh = 25_000 * Ms;
    private const long Patience = 120_000 * Ms;
    private static readonly long[] Gaps = [150 * Ms, 300 * Ms, 600 * Ms, 1000 * Ms];

    private readonly List<Server> _servers = [];

    /// <summary>What is known.</summary>
    public UdpReach Reach
    {
        get
        {
            Server[] answered = [.. _servers.Where(static s => s.Mapped.IsSet)];
            return answered.Length > 0
                ? answered.GroupBy(static s => s.Mapped.IsIpv4).Any(static g => g.Select(static s => s.Mapped).Distinct().Count() > 1)
                    ? UdpReach.Varying
                    : UdpReach.Stable
                : _servers.Exists(static s => s.HasFailed) ? UdpReach.Blocked : UdpReach.Unknown;
        }
    }

    /// <summary>The addresses that were seen.</summary>
    public IEnumerable<EndpointAddress> Addresses => _servers.Select(static s => s.Mapped).Where(static m => m.IsSet).Distinct();

    /// <summary>Whom to ask. New ones are asked at once.</summary>
    public void SetServers(IReadOnlyList<EndpointAddress> servers)
    {
        _servers.RemoveAll(s => !servers.Contains(s.Address));
        foreach (EndpointAddress server in servers)
        {
            if (_servers.Count < MaxServers && !_servers.Exists(s => s.Address == server))
            {
                _servers.Add(new Server(server));
            }
        }
    }

    /// <summary>All are asked again at once; what they said is kept until they answer, or do not.</summary>
    public void Restart(long now)
    {
        foreach (Server server in _servers)
        {
            server.Attempt = 0;
            server.NextAt = now;
            server.IsStale = true;
        }
    }

    /// <summary>Sends what is due; <paramref name="isWanted"/>: somebody needs fresh mappings.</summary>
    /// <returns>True if what is known has changed.</returns>
    public bool Advance(long now, bool isWanted, Func<EndpointAddress, byte[], bool> send)
    {
        bool changed = false;
        foreach (Server server in _servers)
        {
            if (now < server.NextAt || (!isWanted && server.Attempt == 0 && server.NextAt != 0 && !server.IsStale && !server.HasFailed))
            {
                continue;
            }

            if (server.Attempt == Attempts)
            {
                changed |= !server.HasFailed || server.Mapped.IsSet;
                server.HasFailed = true;
                server.Mapped = default;
                server.Attempt = 0;
                server.NextAt = now + Patience;
                continue;
            }

            if (server.Attempt == 0)
            {
                server.Request = StunMessage.MakeRequest();
            }

            send(server.Address, server.Request!);
            server.NextAt = now + Gaps[server.Attempt];
            server.Attempt++;
        }

        return changed;
    }

    /// <summary>Takes an answer.</summary>
    /// <returns>True if what is known has changed.</returns>
    public bool Receive(ReadOnlySpan<byte> datagram, in EndpointAddress source, long now)
    {
        foreach (Server server in _servers)
        {
            if (server.Address == source
                && server.Request is { } request
                && StunMessage.TryReadAnswer(datagram, request, out EndpointAddress mapped))
            {
                bool changed = server.Mapped != mapped || server.HasFailed;
                server.Request = null;
                server.Mapped = mapped;
                server.HasFailed = false;
                server.IsStale = false;
                server.Attempt = 0;
                server.NextAt = now + Refresh;
                return changed;
            }
        }

        return false;
    }

    private sealed class Server(EndpointAddress address)
    {
        public EndpointAddress Address { get; } = address;

        public EndpointAddress Mapped { get; set; }

        public byte[]? Request { get; set; }

        public int Attempt { get; set; }

        public long NextAt { get; set; }

        public bool HasFailed { get; set; }

        public bool IsStale { get; set; }
    }
}

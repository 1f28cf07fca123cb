using System.Net;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <content>
/// Relays that peers name in their tickets: found by <c>getnode</c> at a connected relay, reached at the host of the object that the
/// wanted relay itself has signed, and believed when they prove that key in TLS. Bounded, and closed when idle.
/// </content>
internal sealed partial class RelayPool
{
    /// <summary>Relays of peers with a session at a time.</summary>
    public const int MaxExtra = 16;

    /// <summary>Relays of peers that are being looked for or waited for.</summary>
    private const int MaxSearches = 256;

    private static readonly TimeSpan ExtraIdle = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(10);

    private readonly Dictionary<Address, Search> _searches = [];

    /// <summary>
    /// A peer is to be met at this relay: it is connected to if it is not, and kept. Call as long as it is needed. True: there is a
    /// session.
    /// </summary>
    public bool Need(Address relay)
    {
        long now = time.GetTimestamp();
        if (_entries.Find(e => e.Uri.Address == relay && (e.IsExtra || e.IsWanted)) is { } entry)
        {
            entry.LastNeeded = now;
            return entry.Connection is { IsReady: true };
        }

        if (_running)
        {
            Look(relay, now);
        }

        return false;
    }

    /// <summary>Why a needed relay is not there, for people; null if nothing is known.</summary>
    public string? WhyNot(Address relay)
    {
        return _searches.TryGetValue(relay, out Search? search) ? search.Problem : null;
    }

    private void Look(Address relay, long now)
    {
        if (!_searches.TryGetValue(relay, out Search? search))
        {
            if (_searches.Count >= MaxSearches)
            {
                return;
            }

            search = new Search();
            _searches.Add(relay, search);
        }

        search.LastNeeded = now;
        bool lost = search.Asking && time.GetElapsedTime(search.Asked, now) > SearchTimeout;
        if ((search.Asking && !lost) || now < search.NextAttempt)
        {
            return;
        }

        // A configured relay beyond the nearest five is known already.
        if (Own.FirstOrDefault(e => e.Uri.Address == relay) is { } spare)
        {
            Begin(spare.Uri, now);
            return;
        }

        search.Asking = true;
        search.Asked = now;
        Ask(relay, search, [.. ReadyEntries.Select(static e => e.Connection!)], 0);
    }

    private void Ask(Address relay, Search search, IRelaySession[] sessions, int next)
    {
        while (next < sessions.Length)
        {
            int following = next + 1;
            if (sessions[next].GetNode(relay, reply => post(() => Found(relay, search, sessions, following, reply))))
            {
                return;
            }

            next++;
        }

        GiveUp(search, search.Problem ?? "no connected relay knows it");
    }

    private void Found(Address relay, Search search, IRelaySession[] sessions, int next, RelayReply reply)
    {
        if (!_running || !search.Asking || !_searches.TryGetValue(relay, out Search? current) || !ReferenceEquals(search, current))
        {
            return;
        }

        // The address is who signed: a relay cannot send us elsewhere in another's name.
        if (reply.Server is not { } server || server.Address != relay)
        {
            Ask(relay, search, sessions, next);
            return;
        }

        if (server.EdgePort == 0 || !IsReachable(server.Host))
        {
            search.Problem = $"it says it is at {server.Host}:{server.EdgePort}, where no relay can be reached";
            Ask(relay, search, sessions, next);
            return;
        }

        search.Asking = false;
        Begin(server.EdgeUri, time.GetTimestamp());
    }

    private void Begin(RelayUri uri, long now)
    {
        if (_entries.Exists(e => e.IsExtra && e.Uri.Address == uri.Address))
        {
            return;
        }

        if (_entries.Count(static e => e.IsExtra) >= MaxExtra && !MakeRoom())
        {
            if (_searches.TryGetValue(uri.Address, out Search? search))
            {
                GiveUp(search, $"{MaxExtra} relays of peers are connected already");
            }

            return;
        }

        Log.RelayNeeded(logger, uri.ToString());
        Entry entry = new(uri, isExtra: true) { LastNeeded = now };
        _entries.Add(entry);
        ConnectIfDue(entry);
    }

    /// <summary>Who carries nothing and was not asked for of late gives way.</summary>
    private bool MakeRoom()
    {
        Entry? idle = _entries.Where(e => e.IsExtra && (e.Connection?.PortCount ?? 0) == 0).MinBy(static e => e.LastNeeded);
        if (idle is null || time.GetElapsedTime(idle.LastNeeded) < PingInterval)
        {
            return false;
        }

        Retire(idle, "another relay is needed more");
        return true;
    }

    private void TickExtras()
    {
        long now = time.GetTimestamp();
        foreach (Entry entry in _entries.Where(static e => e.IsExtra).ToArray())
        {
            bool isOwn = Own.Any(e => e.IsWanted && e.Uri.Address == entry.Uri.Address && e.Connection is { IsReady: true });
            int ports = entry.Connection is { IsReady: true } session ? session.PortCount : 0;
            if (ports > 0)
            {
                entry.LastNeeded = now;
            }
            else if (isOwn || time.GetElapsedTime(entry.LastNeeded, now) > ExtraIdle)
            {
                Retire(entry, "no peer is met there any more");
            }
        }

        foreach ((Address relay, Search search) in _searches)
        {
            if (time.GetElapsedTime(search.LastNeeded, now) > ExtraIdle)
            {
                _searches.Remove(relay);
            }
        }
    }

    private void Retire(Entry entry, string reason)
    {
        _entries.Remove(entry);
        if (entry.Connection is { } connection)
        {
            NoteEnd(entry, connection);
            connection.Close(reason);
        }
    }

    /// <summary>An extra relay that cannot be reached is looked for again, later and from the beginning: it may have moved.</summary>
    private void Drop(Entry entry, string reason)
    {
        _entries.Remove(entry);
        if (!_searches.TryGetValue(entry.Uri.Address, out Search? search))
        {
            search = new Search { LastNeeded = entry.LastNeeded };
            _searches.Add(entry.Uri.Address, search);
        }

        Log.RelayLost(logger, entry.Uri.ToString(), reason);
        GiveUp(search, reason);
    }

    private void GiveUp(Search search, string reason)
    {
        search.Asking = false;
        search.Problem = reason;
        search.NextAttempt = time.GetTimestamp() + Ticks(search.Backoff.Next());
    }

    /// <summary>A relay may say it is anywhere; it is not on this machine, on a link, or inside the tunnel.</summary>
    private static bool IsReachable(string host)
    {
        return host.Length > 0 && (!IPAddress.TryParse(host, out IPAddress? address) || IsReachable(address));
    }

    private static bool IsReachable(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        byte[] bytes = address.GetAddressBytes();
        return !IPAddress.IsLoopback(address)
            && !address.IsIPv6LinkLocal
            && !address.IsIPv6Multicast
            && !VirtualAddresses.Ipv6Prefix.Contains(address)
            && !address.Equals(IPAddress.IPv6Any)
            && (bytes.Length != 4 || (bytes[0] is not 0 and < 224 && (bytes[0], bytes[1]) != (169, 254)));
    }

    /// <summary>A relay that is wanted and not connected.</summary>
    private sealed class Search
    {
        public Backoff Backoff { get; } = new(TimeSpan.FromSeconds(2), MostPatience);

        public bool Asking { get; set; }

        public long Asked { get; set; }

        public long NextAttempt { get; set; }

        public long LastNeeded { get; set; }

        public string? Problem { get; set; }
    }
}

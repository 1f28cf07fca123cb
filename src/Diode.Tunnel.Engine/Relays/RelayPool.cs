using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Ethereum;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// Keeps sessions with this device's own relays (the nearest five of the configured ones) and, for as long as they are needed, with
/// relays that peers are to be met at. Lives on the engine loop, except that sessions call the packet path directly.
/// </summary>
/// <param name="connect">Makes a session, not started yet.</param>
/// <param name="recall">The address a relay with a name was last reached at.</param>
/// <param name="ledger">What was paid, and what may be.</param>
/// <param name="post">Runs work on the engine loop; false when it is stopping.</param>
/// <param name="logger">For people.</param>
/// <param name="time">The clock.</param>
internal sealed partial class RelayPool(
    Func<RelayUri, IRelaySession> connect,
    Func<RelayUri, IPAddress?> recall,
    TicketLedger ledger,
    Func<Action, bool> post,
    ILogger logger,
    TimeProvider time)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(12);

    /// <summary>Round trip taken for a relay that was not measured yet.</summary>
    private static readonly TimeSpan Unmeasured = TimeSpan.FromSeconds(1);

    private readonly List<Entry> _entries = [];
    private bool _running;

    /// <summary>The configured relays and those of peers, and how they are.</summary>
    public IReadOnlyList<Entry> Entries => _entries;

    /// <summary>Usable sessions, own relays first, the nearest first.</summary>
    public IEnumerable<RelayConnection> Ready => ReadyEntries.Select(static e => e.Connection).OfType<RelayConnection>();

    /// <summary>Those of them that are this device's own choice.</summary>
    public IEnumerable<RelayConnection> ReadyOwn =>
        ReadyEntries.Where(static e => !e.IsExtra).Select(static e => e.Connection).OfType<RelayConnection>();

    private IEnumerable<Entry> ReadyEntries =>
        _entries.Where(static e => e.Connection is { IsReady: true })
            .OrderBy(static e => e.IsExtra)
            .ThenBy(static e => e.Doubt is not null)
            .ThenBy(static e => e.Connection!.RoundTrip ?? Unmeasured);

    /// <summary>Replaces the list of own relays; sessions that stay in it are kept.</summary>
    public void Configure(IReadOnlyList<RelayUri> relays)
    {
        foreach (Entry gone in _entries.Where(e => !e.IsExtra && !relays.Contains(e.Uri)).ToArray())
        {
            gone.Connection?.Close("the relay was removed from the configuration");
            _entries.Remove(gone);
        }

        foreach (RelayUri uri in relays)
        {
            if (_entries.TrueForAll(e => e.IsExtra || e.Uri != uri))
            {
                _entries.Add(new Entry(uri) { LastAddress = recall(uri) });
            }
        }
    }

    /// <summary>Begins to connect.</summary>
    public void Start()
    {
        _running = true;
        Tick();
    }

    /// <summary>Ends every session and waits for their threads.</summary>
    public void Stop()
    {
        _running = false;
        foreach (Entry entry in _entries)
        {
            if (entry.Connection is { } connection)
            {
                NoteEnd(entry, connection);
                connection.Dispose();
            }

            entry.Connection = null;
            entry.State = "stopped";
        }

        _entries.RemoveAll(static e => e.IsExtra);
        _searches.Clear();
        ledger.SaveIfDue(now: true);
    }

    /// <summary>Connects what is due, pings what is up, gives up what hangs.</summary>
    public void Tick()
    {
        if (!_running)
        {
            return;
        }

        SelectOwn();
        foreach (Entry entry in _entries.ToArray())
        {
            if (entry.Connection is not null)
            {
                Watch(entry, entry.Connection);
            }
            else if (entry.IsWanted)
            {
                ConnectIfDue(entry);
            }
            else
            {
                entry.State = "spare";
            }
        }

        TickExtras();
        TickTickets();
    }

    /// <summary>A session has become usable.</summary>
    /// <returns>The address that a relay configured by name was reached at; null if it is configured by address.</returns>
    public IPAddress? MarkReady(IRelaySession connection)
    {
        if (Find(connection) is { } entry)
        {
            entry.State = "connected";
            entry.Error = null;
            entry.Backoff.Reset();
            entry.ReadySince = time.GetTimestamp();
            connection.Ping();
            entry.NextPing = time.GetTimestamp() + Ticks(PingInterval);
            entry.NextUnpaid = time.GetTimestamp() + Ticks(UnpaidInterval);
            _searches.Remove(entry.Uri.Address);
            Log.RelayReady(logger, entry.Uri.ToString());
            return entry.IsExtra ? null : entry.LastAddress;
        }

        return null;
    }

    /// <summary>A session has ended.</summary>
    public void MarkClosed(IRelaySession connection, string reason)
    {
        if (Find(connection) is { } entry)
        {
            NoteEnd(entry, connection);
            entry.LastRoundTrip = connection.RoundTrip ?? entry.LastRoundTrip;
            entry.Connection = null;
            if (entry.IsExtra)
            {
                Drop(entry, reason);
            }
            else if (entry.IsWanted)
            {
                Failed(entry, reason);
            }

            _sortDue = true;
        }

        connection.Dispose();
    }

    /// <summary>A relay told something that is not so: from now on the others are preferred.</summary>
    public void Demote(Address relay, string reason)
    {
        foreach (Entry entry in _entries.Where(e => e.Uri.Address == relay))
        {
            entry.Doubt = reason;
            _sortDue = true;
        }
    }

    private Entry? Find(IRelaySession connection)
    {
        return _entries.Find(e => ReferenceEquals(e.Connection, connection));
    }

    private void ConnectIfDue(Entry entry)
    {
        if (entry.Resolving || time.GetTimestamp() < entry.NextAttempt)
        {
            return;
        }

        if (ledger.IsReached(entry.Uri.Address))
        {
            entry.State = "budget";
            entry.Error = BudgetReason;
            return;
        }

        entry.State = "connecting";
        entry.Started = time.GetTimestamp();
        if (IPAddress.TryParse(entry.Uri.Host, out IPAddress? address))
        {
            Connect(entry, address);
            return;
        }

        entry.Resolving = true;
        _ = ResolveAsync(entry);
    }

    private async Task ResolveAsync(Entry entry)
    {
        IPAddress? address = entry.LastAddress;
        string problem = "";
        try
        {
            IPAddress[] found = await Dns.GetHostAddressesAsync(entry.Uri.Host).ConfigureAwait(false);
            address = found.Length > 0 ? found[0] : address;
        }
        catch (SocketException e)
        {
            // A relay that was reached before is tried at its last address: name service may itself be down.
            problem = e.Message;
        }

        post(() =>
        {
            entry.Resolving = false;
            if (!_running || entry.Connection is not null || !_entries.Contains(entry))
            {
                return;
            }

            if (address is null || (entry.IsExtra && !IsReachable(address)))
            {
                string reason = address is null
                    ? $"the name {entry.Uri.Host} does not resolve: {problem}"
                    : $"the name {entry.Uri.Host} stands for {address}, which is no address of a relay";
                if (entry.IsExtra)
                {
                    Drop(entry, reason);
                }
                else
                {
                    Failed(entry, reason);
                }

                return;
            }

            entry.LastAddress = address;
            Connect(entry, address);
        });
    }

    private void Connect(Entry entry, IPAddress address)
    {
        IRelaySession connection = connect(entry.Uri);
        entry.Connection = connection;
        connection.Start(new IPEndPoint(address, entry.Uri.Port));
    }

    private void Watch(Entry entry, IRelaySession connection)
    {
        long now = time.GetTimestamp();
        if (connection.IsReady)
        {
            connection.CheckAlive(now < entry.HurryUntil ? HurryTimeout : PingTimeout);
            if (now >= entry.NextPing)
            {
                entry.NextPing = now + Ticks(PingInterval);
                connection.Ping();
            }
        }
        else if (time.GetElapsedTime(entry.Started, now) > ConnectTimeout)
        {
            connection.Close($"no answer within {ConnectTimeout.TotalSeconds:0} s");
        }
    }

    private void Failed(Entry entry, string reason)
    {
        if (entry.Error != reason)
        {
            Log.RelayLost(logger, entry.Uri.ToString(), reason);
        }

        entry.State = "disconnected";
        entry.Error = reason;

        // Who has another relay can wait for this one; who has none cannot.
        TimeSpan delay = entry.Backoff.Next();
        TimeSpan most = ReadyEntries.Any() ? MostPatience : LeastPatience;
        entry.NextAttempt = entry.IsRetriedAtOnce ? 0 : time.GetTimestamp() + Ticks(delay < most ? delay : most);
        entry.IsRetriedAtOnce = false;
    }

    private long Ticks(TimeSpan span)
    {
        return (long)(span.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>One relay.</summary>
    internal sealed class Entry(RelayUri uri, bool isExtra = false)
    {
        public RelayUri Uri { get; } = uri;

        /// <summary>Not configured: kept because a peer is to be met there.</summary>
        public bool IsExtra { get; } = isExtra;

        /// <summary>A session is to be kept; false for configured relays beyond the nearest five.</summary>
        public bool IsWanted { get; set; } = isExtra;

        public IRelaySession? Connection { get; set; }

        public string State { get; set; } = "disconnected";

        public string? Error { get; set; }

        /// <summary>What it was contradicted in; null if in nothing.</summary>
        public string? Doubt { get; set; }

        /// <summary>Short at first: a relay that is just being started, as at boot, is not to cost half a second.</summary>
        public Backoff Backoff { get; } = new(TimeSpan.FromSeconds(0.1), MostPatience);

        public IPAddress? LastAddress { get; set; }

        public TimeSpan? LastRoundTrip { get; set; }

        public bool Resolving { get; set; }

        public long NextAttempt { get; set; }

        public long NextPing { get; set; }

        /// <summary>Until then an answer to a ping is waited for less long.</summary>
        public long HurryUntil { get; set; }

        /// <summary>The end of the session is no failure of the relay's.</summary>
        public bool IsRetriedAtOnce { get; set; }

        public long NextUnpaid { get; set; }

        public long Started { get; set; }

        public long ReadySince { get; set; }

        /// <summary>When a peer last needed this relay; extra relays only.</summary>
        public long LastNeeded { get; set; }
    }
}

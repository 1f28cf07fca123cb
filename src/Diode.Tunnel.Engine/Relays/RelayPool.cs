using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Platform.Buffers;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// Keeps a session with every configured relay. Lives on the engine loop, except that sessions call the packet path directly.
/// </summary>
internal sealed class RelayPool(
    Func<RelayUri, RelayConnectionOptions> options,
    Func<RelayUri, IPAddress?> recall,
    IRelayEvents events,
    EngineLoop loop,
    ILogger logger,
    TimeProvider time,
    PacketPool pool)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(12);

    private readonly List<Entry> _entries = [];
    private bool _running;

    /// <summary>The configured relays and how they are.</summary>
    public IReadOnlyList<Entry> Entries => _entries;

    /// <summary>Usable sessions, nearest first.</summary>
    public IEnumerable<RelayConnection> Ready =>
        _entries.Where(static e => e.Connection is { IsReady: true })
            .Select(static e => e.Connection!)
            .OrderBy(static c => c.RoundTrip ?? TimeSpan.FromSeconds(1));

    /// <summary>Replaces the list of relays; sessions that stay in it are kept.</summary>
    public void Configure(IReadOnlyList<RelayUri> relays)
    {
        foreach (Entry gone in _entries.Where(e => !relays.Contains(e.Uri)).ToArray())
        {
            gone.Connection?.Close("the relay was removed from the configuration");
            _entries.Remove(gone);
        }

        foreach (RelayUri uri in relays)
        {
            if (_entries.TrueForAll(e => e.Uri != uri))
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
            entry.Connection?.Dispose();
            entry.Connection = null;
            entry.State = "stopped";
        }
    }

    /// <summary>Connects what is due, pings what is up, gives up what hangs.</summary>
    public void Tick()
    {
        if (!_running)
        {
            return;
        }

        foreach (Entry entry in _entries)
        {
            if (entry.Connection is null)
            {
                ConnectIfDue(entry);
            }
            else
            {
                Watch(entry, entry.Connection);
            }
        }
    }

    /// <summary>A session has become usable.</summary>
    /// <returns>The address that a relay configured by name was reached at; null if it is configured by address.</returns>
    public IPAddress? MarkReady(RelayConnection connection)
    {
        if (Find(connection) is { } entry)
        {
            entry.State = "connected";
            entry.Error = null;
            entry.Backoff.Reset();
            connection.Ping();
            entry.NextPing = time.GetTimestamp() + Ticks(PingInterval);
            Log.RelayReady(logger, entry.Uri.ToString());
            return entry.LastAddress;
        }

        return null;
    }

    /// <summary>A session has ended.</summary>
    public void MarkClosed(RelayConnection connection, string reason)
    {
        if (Find(connection) is { } entry)
        {
            Failed(entry, reason);
            entry.Connection = null;
        }

        connection.Dispose();
    }

    private Entry? Find(RelayConnection connection)
    {
        return _entries.Find(e => ReferenceEquals(e.Connection, connection));
    }

    private void ConnectIfDue(Entry entry)
    {
        if (entry.Resolving || time.GetTimestamp() < entry.NextAttempt)
        {
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

        loop.TryPost(() =>
        {
            entry.Resolving = false;
            if (!_running || entry.Connection is not null)
            {
                return;
            }

            if (address is null)
            {
                Failed(entry, $"the name {entry.Uri.Host} does not resolve: {problem}");
                return;
            }

            entry.LastAddress = address;
            Connect(entry, address);
        });
    }

    private void Connect(Entry entry, IPAddress address)
    {
        RelayConnection connection = new(options(entry.Uri), events, logger, time, pool);
        entry.Connection = connection;
        connection.Start(new IPEndPoint(address, entry.Uri.Port));
    }

    private void Watch(Entry entry, RelayConnection connection)
    {
        long now = time.GetTimestamp();
        if (connection.IsReady)
        {
            connection.CheckAlive(PingTimeout);
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
        entry.NextAttempt = time.GetTimestamp() + Ticks(entry.Backoff.Next());
    }

    private long Ticks(TimeSpan span)
    {
        return (long)(span.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>One configured relay.</summary>
    internal sealed class Entry(RelayUri uri)
    {
        public RelayUri Uri { get; } = uri;

        public RelayConnection? Connection { get; set; }

        public string State { get; set; } = "disconnected";

        public string? Error { get; set; }

        public Backoff Backoff { get; } = new(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(15));

        public IPAddress? LastAddress { get; set; }

        public bool Resolving { get; set; }

        public long NextAttempt { get; set; }

        public long NextPing { get; set; }

        public long Started { get; set; }
    }
}

using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// Tickets in a file: all are held in memory and answered from there; changes are written behind, as many as came up in
/// one transaction, a moment after <see cref="Put"/>. Totals of tickets are cumulative, so one that was lost by a kill
/// within that moment is made up for by the next. Thread-safe.
/// </summary>
internal sealed class SqliteTicketStore : ITicketStore, IDisposable
{
    /// <summary>Name of the file in the state folder.</summary>
    public const string FileName = "tickets.db";

    private const int SchemaVersion = 1;

    // Enough to share a transaction, too short for anybody to notice.
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    private readonly MemoryTicketStore _memory = new();
    private readonly Dictionary<Address, (ulong Epoch, ulong Bytes)> _usage = [];
    private readonly Lock _gate = new();
    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _put;
    private readonly SqliteStatement _remove;
    private readonly ILogger _logger;
    private readonly AutoResetEvent _work = new(false);
    private readonly ManualResetEvent _closing = new(false);
    private readonly Thread _writer;

    // What the file does not have yet, by key: at most one entry per ticket; null deletes.
    private Dictionary<Key, Ticket?> _pending = [];
    private bool _writing;
    private bool _disposed;

    /// <summary>Opens or creates the file and reads all tickets.</summary>
    /// <exception cref="SqliteMissingException">The library is not installed.</exception>
    /// <exception cref="PlatformException">The file cannot be used; the hint says what to do.</exception>
    public SqliteTicketStore(string path, ILogger logger)
    {
        _logger = logger;
        _database = SqliteDatabase.Open(path);
        try
        {
            CreateSchema();
            Load();
            LoadUsage();
            _put = _database.Prepare(
                "INSERT OR REPLACE INTO tickets (device, fleet, epoch, block_hash, object) VALUES (?, ?, ?, ?, ?)");
            _remove = _database.Prepare("DELETE FROM tickets WHERE device = ? AND fleet = ? AND epoch = ?");
        }
        catch
        {
            _database.Dispose();
            throw;
        }

        _writer = new Thread(Write) { IsBackground = true, Name = "tickets" };
        _writer.Start();
    }

    /// <summary>Tickets read from the file when it was opened.</summary>
    public int LoadedCount { get; private set; }

    /// <summary>Whether the file has all changes.</summary>
    public bool IsWritten
    {
        get
        {
            lock (_gate)
            {
                return _pending.Count == 0 && !_writing;
            }
        }
    }

    /// <inheritdoc/>
    public Ticket? Find(Address device, Address fleet, ulong epoch)
    {
        return _memory.Find(device, fleet, epoch);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Ticket> FindAll(Address device)
    {
        return _memory.FindAll(device);
    }

    /// <inheritdoc/>
    public void Put(Address device, Ticket ticket)
    {
        lock (_gate)
        {
            _memory.Put(device, ticket);
            _pending[new Key(device, ticket.Fleet, ticket.Epoch)] = ticket;
        }

        _work.Set();
    }

    /// <inheritdoc/>
    public IReadOnlyList<Ticket> FindAll() => _memory.FindAll();

    /// <inheritdoc/>
    public void RemoveWhere(Func<Ticket, bool> isOld)
    {
        lock (_gate)
        {
            foreach ((Address device, Ticket ticket) in _memory.ReadAll())
            {
                if (isOld(ticket))
                {
                    _pending[new Key(device, ticket.Fleet, ticket.Epoch)] = null;
                }
            }

            _memory.RemoveWhere(isOld);
        }

        _work.Set();
    }

    /// <inheritdoc/>
    public ulong? TakeUsage(Address device, ulong epoch)
    {
        lock (_gate)
        {
            return _usage.Remove(device, out (ulong Epoch, ulong Bytes) kept) && kept.Epoch == epoch ? kept.Bytes : null;
        }
    }

    /// <inheritdoc/>
    public void PutUsage(ulong epoch, IEnumerable<(Address Device, ulong Bytes)> usage)
    {
        ArgumentNullException.ThrowIfNull(usage);
        lock (_gate)
        {
            foreach (Address old in _usage.Where(kept => kept.Value.Epoch != epoch).Select(static kept => kept.Key).ToArray())
            {
                _usage.Remove(old);
            }

            foreach ((Address device, ulong bytes) in usage)
            {
                _usage[device] = (epoch, bytes);
            }
        }
    }

    /// <summary>Writes what is left and closes the file.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _closing.Set();
        _writer.Join();
        WriteUsage();
        _put.Dispose();
        _remove.Dispose();
        _database.Dispose();
        _work.Dispose();
        _closing.Dispose();
    }

    private void CreateSchema()
    {
        using (SqliteStatement version = _database.Prepare("PRAGMA user_version"))
        {
            version.Step();
            long found = version.GetInt64(0);
            if (found > SchemaVersion)
            {
                throw new PlatformException(
                    $"{_database.Path} was written by a newer version", hint: "update this relay, or move the file away");
            }
        }

        // The row number tells the order of acceptance: a replaced ticket gets a new one.
        _database.Execute(
            "CREATE TABLE IF NOT EXISTS tickets (id INTEGER PRIMARY KEY AUTOINCREMENT, device BLOB NOT NULL, "
            + "fleet BLOB NOT NULL, epoch INTEGER NOT NULL, block_hash BLOB NOT NULL, object BLOB NOT NULL, "
            + "UNIQUE (device, fleet, epoch)); "
            + "CREATE TABLE IF NOT EXISTS usage (device BLOB PRIMARY KEY, epoch INTEGER NOT NULL, bytes INTEGER NOT NULL); PRAGMA user_version=1");
    }

    private void Load()
    {
        int unreadable = 0;
        using SqliteStatement rows = _database.Prepare("SELECT device, block_hash, object FROM tickets ORDER BY id");
        while (rows.Step())
        {
            if (TryRead(rows, out Address device, out Ticket? ticket))
            {
                _memory.Put(device, ticket);
                LoadedCount++;
            }
            else
            {
                unreadable++;
            }
        }

        if (unreadable > 0)
        {
            Log.TicketsUnreadable(_logger, unreadable, _database.Path);
        }
    }

    // Removed as soon as it is read: after a kill it would be of an earlier time.
    private void LoadUsage()
    {
        using (SqliteStatement rows = _database.Prepare("SELECT device, epoch, bytes FROM usage"))
        {
            while (rows.Step())
            {
                if (Address.TryRead(rows.GetBytes(0), out Address device) && rows.GetInt64(1) >= 0 && rows.GetInt64(2) >= 0)
                {
                    _usage[device] = ((ulong)rows.GetInt64(1), (ulong)rows.GetInt64(2));
                }
            }
        }

        _database.Execute("DELETE FROM usage");
    }

    private void WriteUsage()
    {
        try
        {
            using SqliteStatement put = _database.Prepare("INSERT OR REPLACE INTO usage (device, epoch, bytes) VALUES (?, ?, ?)");
            _database.Execute("BEGIN IMMEDIATE");
            Span<byte> bytes = stackalloc byte[Address.Length];
            foreach ((Address device, (ulong epoch, ulong used)) in _usage)
            {
                device.CopyTo(bytes);
                put.Bind(1, bytes);
                put.Bind(2, (long)epoch);
                put.Bind(3, (long)used);
                put.Run();
            }

            _database.Execute("COMMIT");
        }
        catch (PlatformException exception)
        {
            // What was paid ahead counts as used then.
            Log.UsageNotWritten(_logger, exception.Message);
        }
    }

    private static bool TryRead(SqliteStatement row, out Address device, [NotNullWhen(true)] out Ticket? ticket)
    {
        ticket = null;
        if (!Address.TryRead(row.GetBytes(0), out device) || !Ticket.TryReadObject(row.GetBytes(2), out ticket))
        {
            return false;
        }

        // The hash of the block is signed but not part of the object.
        ReadOnlySpan<byte> hash = row.GetBytes(1);
        if (ticket is TicketV1 first && hash.Length == Hash256.Length)
        {
            ticket = first with { BlockHash = new Hash256(hash) };
        }

        return true;
    }

    private void Write()
    {
        WaitHandle[] signals = [_closing, _work];
        while (WaitHandle.WaitAny(signals) != 0)
        {
            _closing.WaitOne(GatherTime);
            if (!WriteBatch())
            {
                _closing.WaitOne(RetryAfter);
                _work.Set();
            }
        }

        WriteBatch();
    }

    // False: nothing was written, and everything is pending again.
    private bool WriteBatch()
    {
        Dictionary<Key, Ticket?> batch;
        lock (_gate)
        {
            if (_pending.Count == 0)
            {
                return true;
            }

            batch = _pending;
            _pending = [];
            _writing = true;
        }

        bool begun = false;
        try
        {
            _database.Execute("BEGIN IMMEDIATE");
            begun = true;
            var writer = new RlpWriter();
            foreach ((Key key, Ticket? ticket) in batch)
            {
                WriteOne(key, ticket, writer);
            }

            _database.Execute("COMMIT");
            lock (_gate)
            {
                _writing = false;
            }

            return true;
        }
        catch (PlatformException exception)
        {
            Log.TicketsNotWritten(_logger, batch.Count, exception.Message);
            Restore(batch, begun);
            return false;
        }
    }

    private void WriteOne(in Key key, Ticket? ticket, RlpWriter writer)
    {
        SqliteStatement statement = ticket is null ? _remove : _put;
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        key.Device.CopyTo(bytes);
        statement.Bind(1, bytes[..Address.Length]);
        key.Fleet.CopyTo(bytes);
        statement.Bind(2, bytes[..Address.Length]);
        statement.Bind(3, (long)key.Epoch);
        if (ticket is not null)
        {
            if ((ticket as TicketV1)?.BlockHash is Hash256 hash)
            {
                hash.CopyTo(bytes);
                statement.Bind(4, bytes);
            }
            else
            {
                statement.Bind(4, ReadOnlySpan<byte>.Empty);
            }

            writer.Reset();
            ticket.WriteObject(writer);
            statement.Bind(5, writer.WrittenSpan);
        }

        statement.Run();
    }

    private void Restore(Dictionary<Key, Ticket?> batch, bool begun)
    {
        lock (_gate)
        {
            foreach ((Key key, Ticket? ticket) in batch)
            {
                // What came since is newer.
                _pending.TryAdd(key, ticket);
            }

            _writing = false;
        }

        if (begun)
        {
            try
            {
                _database.Execute("ROLLBACK");
            }
            catch (PlatformException)
            {
                // Some errors roll back by themselves.
            }
        }
    }

    private readonly record struct Key(Address Device, Address Fleet, ulong Epoch);
}

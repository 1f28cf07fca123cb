using System.Buffers.Binary;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.Relay.Kademlia;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// Objects and relays in a file, so that a restart keeps this relay's part of the DHT and knows whom to dial. Written
/// behind, a transaction per call; a kill loses the last seconds, which other replicas have. As bounded as what it copies.
/// One thread at a time.
/// </summary>
internal sealed class PeerFile : IDisposable
{
    /// <summary>Name of the file in the state folder.</summary>
    public const string FileName = "peers.db";

    private const int MaxPerTransaction = 4096;

    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _put;
    private readonly SqliteStatement _remove;
    private readonly SqliteStatement _putRelay;
    private readonly SqliteStatement _removeRelay;
    private readonly ILogger _logger;
    private readonly Dictionary<Address, PeerContact> _relays = [];

    /// <summary>Opens or creates the file.</summary>
    /// <exception cref="SqliteMissingException">The library is not installed.</exception>
    /// <exception cref="PlatformException">The file cannot be used; the hint says what to do.</exception>
    public PeerFile(string path, ILogger logger)
    {
        _logger = logger;
        _database = SqliteDatabase.Open(path);
        try
        {
            _database.Execute(
                "CREATE TABLE IF NOT EXISTS objects (key BLOB PRIMARY KEY, object BLOB NOT NULL, source BLOB NOT NULL, stored INTEGER NOT NULL) WITHOUT ROWID;"
                + "CREATE TABLE IF NOT EXISTS relays (address BLOB PRIMARY KEY, contact BLOB NOT NULL) WITHOUT ROWID");
            _put = _database.Prepare("INSERT OR REPLACE INTO objects (key, object, source, stored) VALUES (?, ?, ?, ?)");
            _remove = _database.Prepare("DELETE FROM objects WHERE key = ?");
            _putRelay = _database.Prepare("INSERT OR REPLACE INTO relays (address, contact) VALUES (?, ?)");
            _removeRelay = _database.Prepare("DELETE FROM relays WHERE address = ?");
        }
        catch
        {
            _database.Dispose();
            throw;
        }
    }

    /// <summary>Puts everything that is still worth it into the core, before the first link.</summary>
    /// <exception cref="PlatformException">The file cannot be read.</exception>
    public void Load(PeerCore core, long nowMs)
    {
        using SqliteStatement objects = _database.Prepare("SELECT object, source, stored FROM objects ORDER BY stored DESC");
        while (objects.Step())
        {
            // Signatures are checked again: the file is no more trusted than a peer.
            long storedMs = objects.GetInt64(2);
            if (nowMs - storedMs < DhtStore.ForgetMs
                && core.Store.TryRead(objects.GetBytes(0), out DhtObject? value)
                && Address.TryRead(objects.GetBytes(1), out Address source))
            {
                core.Store.Restore(value, source, storedMs, nowMs);
            }
        }

        using SqliteStatement relays = _database.Prepare("SELECT address, contact FROM relays");
        while (relays.Step())
        {
            if (Address.TryRead(relays.GetBytes(0), out Address relay) && TryRead(relays.GetBytes(1), out PeerContact contact))
            {
                _relays[relay] = contact;

                // Whoever could not be reached then may be there now.
                core.Restore(relay, contact with { Failures = 0, NextRetryMs = 0, Flaps = 0 });
            }
        }

        _database.Execute($"DELETE FROM objects WHERE stored <= {nowMs - DhtStore.ForgetMs}");
    }

    /// <summary>Writes what changed. A disk that refuses is logged; the changes are tried again.</summary>
    public void Write(PeerCore core)
    {
        IReadOnlyList<(Hash256 Key, DhtObject? Value, Address Source, long StoredMs)> changes =
            core.Store.TakeChanges(MaxPerTransaction);
        var contacts = core.GetContacts().ToDictionary();
        Address[] gone = [.. _relays.Keys.Where(relay => !contacts.ContainsKey(relay))];
        KeyValuePair<Address, PeerContact>[] changed =
            [.. contacts.Where(pair => !_relays.TryGetValue(pair.Key, out PeerContact old) || old != pair.Value)];
        if (changes.Count == 0 && gone.Length == 0 && changed.Length == 0)
        {
            return;
        }

        bool begun = false;
        try
        {
            _database.Execute("BEGIN IMMEDIATE");
            begun = true;
            foreach ((Hash256 key, DhtObject? value, Address source, long storedMs) in changes)
            {
                WriteObject(key, value, source, storedMs);
            }

            foreach ((Address relay, PeerContact contact) in changed)
            {
                _putRelay.Bind(1, relay.ToArray());
                _putRelay.Bind(2, Encode(contact));
                _putRelay.Run();
            }

            foreach (Address relay in gone)
            {
                _removeRelay.Bind(1, relay.ToArray());
                _removeRelay.Run();
            }

            _database.Execute("COMMIT");
            foreach ((Address relay, PeerContact contact) in changed)
            {
                _relays[relay] = contact;
            }

            foreach (Address relay in gone)
            {
                _relays.Remove(relay);
            }
        }
        catch (PlatformException exception)
        {
            Log.PeersNotWritten(_logger, exception.Message);
            core.Store.ReturnChanges(changes.Select(change => change.Key));
            if (begun)
            {
                RollBack();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _put.Dispose();
        _remove.Dispose();
        _putRelay.Dispose();
        _removeRelay.Dispose();
        _database.Dispose();
    }

    // Last seen, last error, lost: unix milliseconds, 0 for never.
    private static byte[] Encode(PeerContact contact)
    {
        byte[] bytes = new byte[3 * sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, contact.LastSeenMs ?? 0);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(sizeof(long)), contact.LastErrorMs ?? 0);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(2 * sizeof(long)), contact.LostMs ?? 0);
        return bytes;
    }

    private static bool TryRead(ReadOnlySpan<byte> bytes, out PeerContact contact)
    {
        contact = default;
        if (bytes.Length != 3 * sizeof(long))
        {
            return false;
        }

        contact = new PeerContact(
            Read(bytes), 0, 0, Read(bytes[sizeof(long)..]), Read(bytes[(2 * sizeof(long))..]));
        return true;

        static long? Read(ReadOnlySpan<byte> field)
        {
            long value = BinaryPrimitives.ReadInt64BigEndian(field);
            return value == 0 ? null : value;
        }
    }

    private void WriteObject(in Hash256 key, DhtObject? value, Address source, long storedMs)
    {
        if (value is null)
        {
            _remove.Bind(1, key.ToArray());
            _remove.Run();
            return;
        }

        _put.Bind(1, key.ToArray());
        _put.Bind(2, value.Encoded.Span);
        _put.Bind(3, source.ToArray());
        _put.Bind(4, storedMs);
        _put.Run();
    }

    private void RollBack()
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

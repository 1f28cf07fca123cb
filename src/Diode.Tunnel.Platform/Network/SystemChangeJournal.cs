using System.Text.Json;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// The journal file of <see cref="SystemChanges"/>: one JSON object per line, appended and synced to the disk before
/// the change it announces. Not thread-safe; the owner holds the <see cref="JournalLock"/>.
/// <code>
/// {"op":"apply","id":7,"scope":"exit","kind":"sysctl","change":{…},"before":"0"}   announced, maybe made
/// {"op":"before","id":7,"before":"1"}                                            what undoing 7 restores, corrected
/// {"op":"undone","id":7}                                                         taken back or replaced
/// </code>
/// A last line without line end is a write that a crash cut off: its change was never made.
/// </summary>
internal sealed class SystemChangeJournal : IDisposable
{
    private const int CompactAfterDeadLines = 64;

    private readonly string _path;
    private readonly List<JournalEntry> _live = [];
    private FileStream _file;
    private int _deadLines;
    private long _nextId = 1;

    internal SystemChangeJournal(string path)
    {
        _path = path;
        _file = OpenFile(path, FileMode.OpenOrCreate);
        try
        {
            SyncFolder(path);
            Load();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Entries that are announced and not undone, oldest first.</summary>
    internal IReadOnlyList<JournalEntry> Live => _live;

    /// <summary>Complete lines that are no journal lines.</summary>
    internal int DamagedLines { get; private set; }

    internal JournalEntry Append(string scope, SystemChange change, string? before)
    {
        JournalEntry entry = new(_nextId++, scope, change.Kind, SystemChangeJson.ToElement(change), change, before);
        Write(entry.ToRecord());
        _live.Add(entry);
        return entry;
    }

    internal void CorrectBefore(JournalEntry entry, string? before)
    {
        Write(new JournalRecord { Op = JournalRecord.BeforeOp, Id = entry.Id, Before = before });
        entry.Before = before;
        _deadLines++;
    }

    internal void MarkUndone(JournalEntry entry)
    {
        Write(new JournalRecord { Op = JournalRecord.UndoneOp, Id = entry.Id });
        _live.Remove(entry);
        _deadLines += 2;
        if (_live.Count == 0)
        {
            _file.SetLength(0);
            _file.Flush(flushToDisk: true);
            _deadLines = 0;
        }
        else if (_deadLines > CompactAfterDeadLines)
        {
            Compact();
        }
    }

    public void Dispose() => _file.Dispose();

    private static FileStream OpenFile(string path, FileMode mode)
    {
        FileStreamOptions options = new()
        {
            Mode = mode,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(path, options);
    }

    private static void SyncFolder(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // A new or renamed file survives a power cut only once its folder is on the disk too.
        int fd = Libc.Open(Path.GetDirectoryName(Path.GetFullPath(path))!, Libc.O_CLOEXEC, 0);
        if (fd >= 0)
        {
            _ = Libc.Fsync(fd);
            _ = Libc.Close(fd);
        }
    }

    private void Load()
    {
        byte[] content = new byte[_file.Length];
        _file.ReadExactly(content);
        int start = 0;
        while (content.AsSpan(start).IndexOf((byte)'\n') is >= 0 and int length)
        {
            if (!TryLoadLine(content.AsSpan(start, length)))
            {
                DamagedLines++;
                _deadLines++;
            }

            start += length + 1;
        }

        // Cut off the torn rest, so that the next line does not continue it.
        _file.SetLength(start);
        _file.Position = start;
        if (_live.Count == 0 && start > 0)
        {
            _file.SetLength(0);
            _deadLines = 0;
        }
    }

    private bool TryLoadLine(ReadOnlySpan<byte> line)
    {
        if (!JournalRecord.TryParse(line, out JournalRecord? record))
        {
            return false;
        }

        _nextId = Math.Max(_nextId, record!.Id + 1);
        switch (record.Op)
        {
            case JournalRecord.ApplyOp when record is { Scope: not null, Kind: not null, Change: not null }:
                SystemChange? change = SystemChangeJson.FromElement(record.Kind, record.Change.Value);
                _live.Add(new JournalEntry(
                    record.Id, record.Scope, record.Kind, record.Change.Value, change, record.Before)
                { IsInherited = true });
                return true;
            case JournalRecord.BeforeOp:
                if (_live.Find(e => e.Id == record.Id) is { } corrected)
                {
                    corrected.Before = record.Before;
                }

                _deadLines++;
                return true;
            case JournalRecord.UndoneOp:
                _live.RemoveAll(e => e.Id == record.Id);
                _deadLines += 2;
                return true;
            default:
                return false;
        }
    }

    private void Write(JournalRecord record)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(record, SystemChangeJson.Default.JournalRecord);
        byte[] line = new byte[json.Length + 1];
        json.CopyTo(line, 0);
        line[^1] = (byte)'\n';
        _file.Position = _file.Length;
        _file.Write(line);
        _file.Flush(flushToDisk: true);
    }

    private void Compact()
    {
        string temporary = _path + ".new";
        FileStream compacted = OpenFile(temporary, FileMode.Create);
        FileStream old = _file;
        _file = compacted;
        foreach (JournalEntry entry in _live)
        {
            Write(entry.ToRecord());
        }

        File.Move(temporary, _path, overwrite: true);
        SyncFolder(_path);
        old.Dispose();
        _deadLines = 0;
    }
}

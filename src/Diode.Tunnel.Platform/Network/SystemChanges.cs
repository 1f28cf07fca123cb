namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Changes to the operating system that are always taken back: each is written to a journal on the disk before it is
/// made, so that a crash or a kill is cleaned up by the next <see cref="Recover"/>, also one with the daemon dead.
/// <para>
/// Changes belong to a <i>scope</i> (a free name such as <c>mesh</c> or <c>exit</c>) that is undone as a whole, in
/// reverse order. Two scopes may ask for the same thing: it goes when the last of them is undone.
/// </para>
/// Thread-safe; calls wait for each other. Changes are made in the network namespace of the calling thread.
/// </summary>
public sealed class SystemChanges : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ISystemChangeExecutor _executor;
    private readonly JournalLock _lock;
    private readonly SystemChangeJournal _journal;
    private bool _disposed;

    /// <summary>Opens or creates a journal. Call <see cref="Recover"/> before the first change.</summary>
    /// <param name="journalPath">The journal file; its folder is created. A lock file lies beside it.</param>
    /// <param name="executor">Makes the changes; not disposed.</param>
    /// <exception cref="PlatformException">Another process holds the journal; the text names it.</exception>
    public SystemChanges(string journalPath, ISystemChangeExecutor executor)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalPath);
        ArgumentNullException.ThrowIfNull(executor);
        _executor = executor;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(journalPath))!);
        _lock = JournalLock.Take(journalPath);
        try
        {
            _journal = new SystemChangeJournal(journalPath);
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>Opens a journal with the executor of this operating system.</summary>
    /// <exception cref="PlatformNotSupportedException">Changes are not implemented for this system.</exception>
    public static SystemChanges Open(string journalPath) => OperatingSystem.IsLinux()
        ? new SystemChanges(journalPath, new LinuxChangeExecutor())
        : throw new PlatformNotSupportedException(
            "Changing addresses, routes, DNS and firewall is implemented for Linux only in this version.");

    /// <summary>Scopes with changes in force, in order of their first change.</summary>
    public IReadOnlyList<string> ActiveScopes
    {
        get
        {
            lock (_gate)
            {
                return [.. _journal.Live.Select(entry => entry.Scope).Distinct()];
            }
        }
    }

    /// <summary>
    /// Makes a change, after the journal with it is on the disk. The same change again is made again (it may have been
    /// undone by others) without a new entry; a change of the same thing in the same scope replaces the earlier one.
    /// A refused change is taken back as far as it was made, and the scope is as before.
    /// </summary>
    /// <exception cref="PlatformException">The system refused.</exception>
    public void Apply(string scope, SystemChange change)
    {
        ArgumentException.ThrowIfNullOrEmpty(scope);
        ArgumentNullException.ThrowIfNull(change);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            JournalEntry? earlier = _journal.Live.LastOrDefault(
                entry => entry.Scope == scope && entry.Change?.Identity == change.Identity);
            string? before = earlier is null ? _executor.Capture(change) : _executor.Refresh(change, earlier.Before);
            if (earlier is not null && earlier.SameContent(change))
            {
                if (before != earlier.Before)
                {
                    _journal.CorrectBefore(earlier, before);
                }

                _executor.Apply(change, before);
                return;
            }

            JournalEntry entry = _journal.Append(scope, change, before);
            try
            {
                _executor.Apply(change, before);
            }
            catch
            {
                TakeBackRefused(entry, earlier);
                throw;
            }

            if (earlier is not null)
            {
                _journal.MarkUndone(earlier);
            }
        }
    }

    /// <summary>Takes back all changes of a scope, newest first. What fails stays in the journal.</summary>
    /// <exception cref="PlatformException">The first failure, after everything was tried.</exception>
    public void Undo(string scope)
    {
        ArgumentException.ThrowIfNullOrEmpty(scope);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            UndoWhere(entry => entry.Scope == scope);
        }
    }

    /// <summary>Takes back all changes of all scopes, newest first, also those that survive crashes.</summary>
    /// <exception cref="PlatformException">The first failure, after everything was tried.</exception>
    public void UndoAll()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            UndoWhere(_ => true);
        }
    }

    /// <summary>
    /// Takes back what earlier processes left, newest first. Never throws for a single change: see the outcomes.
    /// </summary>
    /// <param name="keep">
    /// Scopes whose <see cref="SystemChange.SurvivesCrash"/> changes stay in force until the owner replaces or undoes
    /// them; null takes everything back.
    /// </param>
    public IReadOnlyList<RecoveredChange> Recover(Func<string, bool>? keep = null)
    {
        List<RecoveredChange> outcomes = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            foreach (JournalEntry entry in _journal.Live.Where(entry => entry.IsInherited).Reverse().ToArray())
            {
                outcomes.Add(RecoverEntry(entry, keep));
            }
        }

        return outcomes;
    }

    /// <summary>Lines of the journal that could not be read when it was opened, a cut-off last line not counted.</summary>
    public int DamagedJournalLines => _journal.DamagedLines;

    /// <summary>Closes the journal and leaves all changes in force.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _journal.Dispose();
                _lock.Dispose();
            }
        }
    }

    private RecoveredChange RecoverEntry(JournalEntry entry, Func<string, bool>? keep)
    {
        RecoveredChange recovered = new(entry.Id, entry.Scope, entry.Kind, entry.Change, RecoveryOutcome.Undone);
        if (entry.Change is null)
        {
            return recovered with { Outcome = RecoveryOutcome.Unknown };
        }

        if (entry.Change.SurvivesCrash && keep is not null && keep(entry.Scope))
        {
            return recovered with { Outcome = RecoveryOutcome.Kept };
        }

        try
        {
            UndoEntry(entry);
            return recovered;
        }
        catch (PlatformException refused)
        {
            return recovered with { Outcome = RecoveryOutcome.Failed, Error = refused.Message };
        }
    }

    private void UndoWhere(Func<JournalEntry, bool> condition)
    {
        PlatformException? first = null;
        foreach (JournalEntry entry in _journal.Live.Where(condition).Reverse().ToArray())
        {
            if (entry.Change is null)
            {
                continue;
            }

            try
            {
                UndoEntry(entry);
            }
            catch (PlatformException refused)
            {
                first ??= refused;
            }
        }

        if (first is not null)
        {
            throw new PlatformException(
                $"Not every change could be taken back: {first.Message}", first.Errno, innerException: first);
        }
    }

    private void UndoEntry(JournalEntry entry)
    {
        JournalEntry? later = _journal.Live.FirstOrDefault(
            other => other.Id > entry.Id && other.Change?.Identity == entry.Change!.Identity);
        if (later is not null)
        {
            // Somebody still wants the thing as it is. Whoever undoes it last restores what we found.
            _journal.CorrectBefore(later, entry.Before);
        }
        else
        {
            _executor.Undo(entry.Change!, entry.Before);
        }

        _journal.MarkUndone(entry);
    }

    private void TakeBackRefused(JournalEntry refused, JournalEntry? earlier)
    {
        try
        {
            if (earlier is null)
            {
                _executor.Undo(refused.Change!, refused.Before);
            }
            else
            {
                _executor.Apply(earlier.Change!, earlier.Before);
            }

            _journal.MarkUndone(refused);
        }
        catch (PlatformException)
        {
            // The caller learns of the refusal; the entry stays for the next undo or recovery.
        }
    }
}

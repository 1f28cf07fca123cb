using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Storage;

/// <summary>
/// An SQLite database file by the system's library. Its journal is a write-ahead log: a transaction that was committed
/// outlives a killed process; the last ones before a power cut may be missing, but the file stays whole. One thread at a
/// time.
/// </summary>
public sealed unsafe class SqliteDatabase : IDisposable
{
    private const string LibraryHint = "apt install libsqlite3-0";
    private const int BusyTimeoutMs = 5000;

    private nint _handle;

    private SqliteDatabase(string path)
    {
        Path = path;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            return _handle;
        }
    }

    /// <summary>Opens or creates a database; a new file is private to the user (0600).</summary>
    /// <exception cref="SqliteMissingException">The library is not installed.</exception>
    /// <exception cref="PlatformException">The file cannot be used; the hint says what to do.</exception>
    public static SqliteDatabase Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        CreatePrivate(path);
        var database = new SqliteDatabase(path);
        try
        {
            database.OpenFile();
            return database;
        }
        catch (DllNotFoundException exception)
        {
            throw new SqliteMissingException("The library libsqlite3.so.0 is not installed", LibraryHint, exception);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>Runs statements that return nothing.</summary>
    /// <exception cref="PlatformException">The database refuses.</exception>
    public void Execute(string sql)
    {
        Check(Libsqlite.sqlite3_exec(Handle, sql, 0, 0, 0), "use");
    }

    /// <summary>Compiles a statement for repeated use; dispose of it before the database.</summary>
    /// <exception cref="PlatformException">The database refuses.</exception>
    public SqliteStatement Prepare(string sql)
    {
        nint statement = 0;
        Check(Libsqlite.sqlite3_prepare_v2(Handle, sql, -1, &statement, 0), "use");
        return new SqliteStatement(this, statement);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
        {
            _ = Libsqlite.sqlite3_close_v2(handle);
        }
    }

    internal void Check(int result, string attempt)
    {
        if (result == Libsqlite.SQLITE_OK)
        {
            return;
        }

        string text = Marshal.PtrToStringUTF8((nint)Libsqlite.sqlite3_errmsg(_handle)) ?? "unknown error";
        string? hint = (result & 0xff) is Libsqlite.SQLITE_CORRUPT or Libsqlite.SQLITE_NOTADB
            ? $"move {Path} away; a new one is created"
            : null;
        throw new PlatformException($"Cannot {attempt} {Path}: {text} (SQLite {result})", hint: hint);
    }

    private static void CreatePrivate(string path)
    {
        // Closing a second descriptor of the file would drop the locks of this process on it.
        if (File.Exists(path))
        {
            return;
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using var file = new FileStream(path, options);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PlatformException($"Cannot open {path}: {exception.Message}", innerException: exception);
        }
    }

    private void OpenFile()
    {
        nint handle = 0;
        int flags = Libsqlite.SQLITE_OPEN_READWRITE | Libsqlite.SQLITE_OPEN_CREATE | Libsqlite.SQLITE_OPEN_FULLMUTEX;
        int result = Libsqlite.sqlite3_open_v2(Path, &handle, flags, null);
        _handle = handle;
        Check(result, "open");
        Check(Libsqlite.sqlite3_busy_timeout(handle, BusyTimeoutMs), "open");

        // NORMAL syncs at checkpoints only, not per transaction; the log is cut back to a megabyte after a burst.
        Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=1048576");
    }
}

using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Storage;

/// <summary>
/// A compiled statement. Bind, step, read, reset; parameters count from 1, columns from 0. Used by the thread that uses
/// its database.
/// </summary>
public sealed unsafe class SqliteStatement : IDisposable
{
    private readonly SqliteDatabase _database;
    private nint _handle;

    internal SqliteStatement(SqliteDatabase database, nint handle)
    {
        _database = database;
        _handle = handle;
    }

    private nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            return _handle;
        }
    }

    /// <summary>Sets a parameter to a number.</summary>
    public void Bind(int parameter, long value)
    {
        _database.Check(Libsqlite.sqlite3_bind_int64(Handle, parameter, value), "use");
    }

    /// <summary>Sets a parameter to a copy of bytes; none is an empty value, not null.</summary>
    public void Bind(int parameter, ReadOnlySpan<byte> bytes)
    {
        byte none = 0;
        fixed (byte* pointer = bytes)
        {
            byte* start = bytes.IsEmpty ? &none : pointer;
            _database.Check(
                Libsqlite.sqlite3_bind_blob(Handle, parameter, start, bytes.Length, Libsqlite.SQLITE_TRANSIENT), "use");
        }
    }

    /// <summary>Goes to the next row; false when there is none (more).</summary>
    /// <exception cref="PlatformException">The statement failed; it is reset.</exception>
    public bool Step()
    {
        int result = Libsqlite.sqlite3_step(Handle);
        if (result is not (Libsqlite.SQLITE_ROW or Libsqlite.SQLITE_DONE))
        {
            try
            {
                _database.Check(result, "use");
            }
            finally
            {
                Reset();
            }
        }

        return result == Libsqlite.SQLITE_ROW;
    }

    /// <summary>Runs a statement without rows and resets it.</summary>
    /// <exception cref="PlatformException">The statement failed.</exception>
    public void Run()
    {
        Step();
        Reset();
    }

    /// <summary>Makes the statement ready to be bound and stepped again.</summary>
    public void Reset()
    {
        // The result repeats the error of the last step.
        _ = Libsqlite.sqlite3_reset(Handle);
    }

    /// <summary>A number of the current row.</summary>
    public long GetInt64(int column)
    {
        return Libsqlite.sqlite3_column_int64(Handle, column);
    }

    /// <summary>Bytes of the current row, valid until the next step or reset.</summary>
    public ReadOnlySpan<byte> GetBytes(int column)
    {
        byte* start = Libsqlite.sqlite3_column_blob(Handle, column);
        return new ReadOnlySpan<byte>(start, start is null ? 0 : Libsqlite.sqlite3_column_bytes(Handle, column));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
        {
            _ = Libsqlite.sqlite3_finalize(handle);
        }
    }
}

using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libsqlite3: the calls that one table with prepared statements needs.</summary>
internal static unsafe partial class Libsqlite
{
    internal const int SQLITE_OK = 0;
    internal const int SQLITE_CORRUPT = 11;
    internal const int SQLITE_NOTADB = 26;
    internal const int SQLITE_ROW = 100;
    internal const int SQLITE_DONE = 101;
    internal const int SQLITE_OPEN_READWRITE = 0x2;
    internal const int SQLITE_OPEN_CREATE = 0x4;
    internal const int SQLITE_OPEN_FULLMUTEX = 0x10000;

    /// <summary>Destructor argument: the library copies the bytes before the call returns.</summary>
    internal const nint SQLITE_TRANSIENT = -1;

    private const string Library = "libsqlite3.so.0";

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sqlite3_open_v2(string path, nint* database, int flags, byte* vfs);

    [LibraryImport(Library)]
    internal static partial int sqlite3_close_v2(nint database);

    [LibraryImport(Library)]
    internal static partial byte* sqlite3_errmsg(nint database);

    [LibraryImport(Library)]
    internal static partial int sqlite3_busy_timeout(nint database, int milliseconds);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sqlite3_exec(nint database, string sql, nint callback, nint argument, nint message);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sqlite3_prepare_v2(nint database, string sql, int length, nint* statement, nint tail);

    [LibraryImport(Library)]
    internal static partial int sqlite3_finalize(nint statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_step(nint statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_reset(nint statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_bind_int64(nint statement, int index, long value);

    [LibraryImport(Library)]
    internal static partial int sqlite3_bind_blob(nint statement, int index, byte* bytes, int length, nint destructor);

    [LibraryImport(Library)]
    internal static partial long sqlite3_column_int64(nint statement, int column);

    [LibraryImport(Library)]
    internal static partial byte* sqlite3_column_blob(nint statement, int column);

    [LibraryImport(Library)]
    internal static partial int sqlite3_column_bytes(nint statement, int column);
}

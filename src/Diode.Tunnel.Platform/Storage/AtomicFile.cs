using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Storage;

/// <summary>
/// Writes a small file so that a crash at any moment leaves either the old or the new content: temporary file beside it, fsync,
/// rename, fsync of the folder. The previous content stays as <c>name.last</c>.
/// </summary>
public static class AtomicFile
{
    /// <summary>Suffix of the copy that holds the content before the last write.</summary>
    public const string LastGoodSuffix = ".last";

    private const FileAttributes Missing = (FileAttributes)(-1);

    /// <summary>Replaces the file. On Unix the file is created 0600 unless <paramref name="mode"/> says otherwise.</summary>
    /// <exception cref="IOException">The folder cannot be written to, or the path is not a regular file.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? throw new IOException($"{path} names no file");
        FileAttributes attributes = new FileInfo(full).Attributes;
        bool exists = attributes != Missing;
        if (exists && (attributes & (FileAttributes.ReparsePoint | FileAttributes.Directory | FileAttributes.Device)) != 0)
        {
            throw new IOException($"{path} is not a regular file");
        }

        string temporary = full + ".tmp";
        WriteDurably(temporary, content, mode);
        if (exists)
        {
            string last = full + LastGoodSuffix;
            WriteDurably(last + ".tmp", File.ReadAllBytes(full), OperatingSystem.IsWindows() ? mode : File.GetUnixFileMode(full));
            File.Move(last + ".tmp", last, overwrite: true);
        }

        File.Move(temporary, full, overwrite: true);
        SyncFolder(folder);
    }

    /// <summary>Puts the names in a folder on the disk. False: the system has no such call, or refuses it here.</summary>
    internal static bool SyncFolder(string folder)
    {
        // Windows has no fsync of a folder; NTFS journals the rename. .NET opens no folders, hence the native calls.
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        int fd = Libc.Open(folder, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            return false;
        }

        bool synced = Libc.Fsync(fd) == 0;
        _ = Libc.Close(fd);
        return synced;
    }

    private static void WriteDurably(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        File.Delete(path);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using FileStream stream = new(path, options);
        stream.Write(content);
        stream.Flush(flushToDisk: true);
    }
}

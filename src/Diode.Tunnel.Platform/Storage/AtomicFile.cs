using Microsoft.Win32.SafeHandles;

namespace Diode.Tunnel.Platform.Storage;

/// <summary>
/// Writes a small file so that a crash at any moment leaves either the old or the new content: temporary file beside it, fsync,
/// rename, fsync of the folder. The previous content stays as <c>name.last</c>.
/// </summary>
public static class AtomicFile
{
    /// <summary>Suffix of the copy that holds the content before the last write.</summary>
    public const string LastGoodSuffix = ".last";

    /// <summary>Replaces the file. On Unix the file is created 0600 unless <paramref name="mode"/> says otherwise.</summary>
    /// <exception cref="IOException">The folder cannot be written to, or the path is not a regular file.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? throw new IOException($"{path} names no file");
        FileAttributes attributes = File.Exists(full) ? File.GetAttributes(full) : FileAttributes.None;
        if ((attributes & (FileAttributes.ReparsePoint | FileAttributes.Directory | FileAttributes.Device)) != 0)
        {
            throw new IOException($"{path} is not a regular file");
        }

        string temporary = full + ".tmp";
        File.Delete(temporary);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using (FileStream stream = new(temporary, options))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        if (attributes != FileAttributes.None)
        {
            File.Copy(full, full + LastGoodSuffix, overwrite: true);
        }

        File.Move(temporary, full, overwrite: true);
        SyncFolder(folder);
    }

    private static void SyncFolder(string folder)
    {
        // Windows has no fsync of a folder; NTFS journals the rename.
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        try
        {
            using SafeFileHandle handle = File.OpenHandle(folder);
            RandomAccess.FlushToDisk(handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Some file systems refuse to open or sync a folder; the rename itself has been made.
        }
    }
}

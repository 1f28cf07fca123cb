using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Dns;

/// <summary>Reads and replaces a small file that may be a bind mount, a symbolic link or absent.</summary>
[SupportedOSPlatform("linux")]
internal static class ResolverFile
{
    private const UnixFileMode WorldReadable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <returns>The content; null if there is no such file (or the link leads nowhere).</returns>
    internal static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("read", path, refused);
        }
    }

    /// <summary>
    /// Replaces the content: by renaming a new file over it where that works, else in place (a bind mount cannot be
    /// renamed over). In place the file is shortened last, so that its first line is never missing.
    /// </summary>
    internal static void Write(string path, string content)
    {
        try
        {
            if (IsMountPoint(path) || !TryRename(path, content))
            {
                using FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
                byte[] bytes = System.Text.Encoding.UTF8.GetBytes(content);
                file.Write(bytes);
                file.SetLength(bytes.Length);
                file.Flush(flushToDisk: true);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("write", path, refused);
        }
    }

    internal static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("remove", path, refused);
        }
    }

    internal static void Link(string path, string target)
    {
        try
        {
            File.CreateSymbolicLink(path, target);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("restore the link", path, refused);
        }
    }

    /// <returns>Where the link points to as written; null if the path is no link.</returns>
    internal static string? LinkTarget(string path) => new FileInfo(path).LinkTarget;

    private static bool TryRename(string path, string content)
    {
        string temporary = path + ".diode-tunnel";
        try
        {
            FileStreamOptions options = new()
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                UnixCreateMode = WorldReadable,
            };
            using (FileStream file = new(temporary, options))
            {
                file.Write(System.Text.Encoding.UTF8.GetBytes(content));
                file.Flush(flushToDisk: true);
            }

            // The umask may have taken bits away; everybody must be able to resolve names.
            File.SetUnixFileMode(temporary, File.Exists(path) ? File.GetUnixFileMode(path) : WorldReadable);
            File.Move(temporary, path, overwrite: true);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            File.Delete(temporary);
            return false;
        }
    }

    private static bool IsMountPoint(string path)
    {
        // mountinfo: id parent major:minor root mount-point …   (proc(5)); of this thread, which may have its own mounts.
        foreach (string line in File.ReadLines("/proc/thread-self/mountinfo"))
        {
            string[] fields = line.Split(' ', 6);
            if (fields.Length > 5 && fields[4] == path)
            {
                return true;
            }
        }

        return false;
    }

    private static PlatformException Refused(string verb, string path, Exception cause) => new(
        $"Could not {verb} {path}: {cause.Message}",
        cause is UnauthorizedAccessException ? Libc.EACCES : Libc.EIO,
        cause is UnauthorizedAccessException ? "run as root, for example with sudo" : null,
        cause);
}

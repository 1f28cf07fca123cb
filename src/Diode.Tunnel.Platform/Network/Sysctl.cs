using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>Kernel parameters below /proc/sys; those of net/ belong to the calling thread's network namespace.</summary>
internal static class Sysctl
{
    private const string Root = "/proc/sys/";

    /// <returns>The value without line end; null if the kernel has no such parameter.</returns>
    internal static string? Read(string key)
    {
        try
        {
            return File.ReadAllText(PathOf(key)).TrimEnd('\n');
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("read", key, refused);
        }
    }

    internal static void Write(string key, string value)
    {
        try
        {
            // One write: the kernel parses each on its own. Never create a file here.
            using FileStream file = new(PathOf(key), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(value));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw Refused("set", key, refused);
        }
    }

    /// <summary>Writes the old value back if ours is still there; an adapter that is gone took its parameters along.</summary>
    internal static void Restore(string key, string ours, string? before)
    {
        if (before is not null && before != ours && Read(key) == ours)
        {
            Write(key, before);
        }
    }

    private static string PathOf(string key)
    {
        if (key.Split('/').Any(part => part is "" or "." or ".."))
        {
            throw new PlatformException($"'{key}' is no kernel parameter", Libc.EINVAL);
        }

        return Root + key;
    }

    private static PlatformException Refused(string verb, string key, Exception cause) => new(
        $"Could not {verb} the kernel parameter {key}: {cause.Message}",
        cause is UnauthorizedAccessException ? Libc.EACCES : Libc.EIO,
        cause is UnauthorizedAccessException ? "run as root; in a container /proc/sys may be read-only" : null,
        cause);
}

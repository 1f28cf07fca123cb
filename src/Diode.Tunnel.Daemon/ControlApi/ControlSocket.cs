using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Daemon.Hosting;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>The socket file: its folder, a stale predecessor, its mode.</summary>
[SupportedOSPlatform("linux")]
internal static class ControlSocket
{
    // sun_path is 108 bytes with the final zero (unix(7)).
    private const int MaxPathBytes = 107;

    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Makes the path free: creates the folder and removes a socket nobody listens on any more.</summary>
    /// <exception cref="StartupException">A live daemon answers there, or the path cannot be used.</exception>
    internal static void Prepare(string path)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(path) > MaxPathBytes)
        {
            throw new StartupException(
                DaemonExitCodes.Configuration,
                $"The socket path is longer than {MaxPathBytes} bytes: {path}",
                "Choose a shorter one with --socket.");
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        try
        {
            if (!Directory.Exists(folder))
            {
                Directory.CreateDirectory(folder);
                File.SetUnixFileMode(folder, FolderMode);
            }

            if (!File.Exists(path))
            {
                return;
            }

            RemoveStale(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                DaemonExitCodes.System,
                $"Cannot create the control socket {path}.",
                $"Check that {folder} is a folder this user may write to.",
                e);
        }
    }

    /// <summary>Lets every local user connect; what they may do is decided by who they are.</summary>
    internal static void Open(string path) => File.SetUnixFileMode(path, SocketMode);

    private static void RemoveStale(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // Refused means "a socket without a listener" but also "not a socket at all" (unix(7)).
            if ((File.GetAttributes(path) & (FileAttributes.Directory | FileAttributes.ReparsePoint)) == 0 && !IsRegular(path))
            {
                File.Delete(path);
                return;
            }

            throw new StartupException(
                DaemonExitCodes.Configuration,
                $"{path} exists and is not a socket.",
                "Remove it, or choose another path with --socket.",
                e);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new StartupException(
                DaemonExitCodes.NotPrivileged, $"No access to {path}.", "Run it as root: sudo diode-tunneld run", e);
        }
        catch (SocketException)
        {
            // EAGAIN: a listener with a full queue is a live one.
        }

        throw new StartupException(
            DaemonExitCodes.Unavailable,
            $"Another daemon is running and answers at {path}.",
            "Stop it first: sudo systemctl stop diode-tunneld");
    }

    /// <summary>True for a file that has content or can be read: a socket can never be opened (ENXIO).</summary>
    private static bool IsRegular(string path)
    {
        try
        {
            using FileStream _ = File.Open(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}

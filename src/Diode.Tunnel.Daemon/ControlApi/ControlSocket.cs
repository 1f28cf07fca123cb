using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Daemon.Hosting;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Ipc;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>The control socket: every local user may connect; what they may do is decided by who they are.</summary>
[SupportedOSPlatform("linux")]
internal static class ControlSocket
{
    // <errno.h>; what Platform reports for a path that is taken.
    private const int Eaddrinuse = 98;
    private const int Backlog = 128;

    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>
    /// Takes the path, or says who has it. The socket listens at once, before anything else of the daemon starts: a
    /// second daemon is refused before it touches the system, and an early caller waits instead of being turned away.
    /// </summary>
    /// <exception cref="StartupException">A live daemon answers there, or the path cannot be used.</exception>
    internal static Socket Bind(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        try
        {
            if (!Directory.Exists(folder))
            {
                Directory.CreateDirectory(folder);
                File.SetUnixFileMode(folder, FolderMode);
            }

            Socket socket = UnixSocketBinding.Bind(path, SocketMode);
            socket.Listen(Backlog);
            return socket;
        }
        catch (PlatformException e)
        {
            int exitCode = e.Errno == Eaddrinuse ? DaemonExitCodes.Unavailable : DaemonExitCodes.System;
            throw new StartupException(exitCode, e.Message, "Stop a running daemon: sudo systemctl stop diode-tunneld", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                DaemonExitCodes.System,
                $"Cannot create the folder {folder} of the control socket.",
                "Check the path, or choose another with --socket.",
                e);
        }
    }
}

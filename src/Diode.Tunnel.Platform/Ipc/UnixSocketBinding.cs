using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Ipc;

/// <summary>Binds Unix sockets whose file has the wanted mode before anybody can connect.</summary>
/// <remarks>
/// For Kestrel: <c>ListenUnixSocket(path)</c> together with <c>SocketTransportOptions.CreateBoundListenSocket</c>,
/// which calls <see cref="Bind"/> for <see cref="UnixDomainSocketEndPoint"/>.
/// </remarks>
public static class UnixSocketBinding
{
    private const int Eaddrinuse = 98;

    /// <summary>Creates the socket file; the caller listens. Disposing the socket removes the file.</summary>
    /// <param name="path">Absolute path of at most 107 bytes; the folder must exist.</param>
    /// <param name="mode">Mode of the socket file: who may write to it may connect.</param>
    /// <exception cref="PlatformException">
    /// Another process answers on that path, something that is no socket is there, or the system refuses.
    /// </exception>
    [SupportedOSPlatform("linux")]
    public static Socket Bind(string path, UnixFileMode mode)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        UnixDomainSocketEndPoint endPoint;
        try
        {
            endPoint = new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentException exception)
        {
            throw new PlatformException($"The socket path {path} is too long", innerException: exception);
        }

        RemoveStale(path, endPoint);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(endPoint);

            // Nobody can connect before listen(2), so there is no moment with the mode of the umask.
            File.SetUnixFileMode(path, mode);
            return socket;
        }
        catch (Exception exception) when (exception is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new PlatformException(
                $"Could not create the socket {path}: {exception.Message}",
                (exception as SocketException)?.NativeErrorCode ?? 0,
                innerException: exception);
        }
    }

    private static void RemoveStale(string path, UnixDomainSocketEndPoint endPoint)
    {
        if (!Path.Exists(path))
        {
            return;
        }

        if (!LibcIpc.IsSocket(path))
        {
            throw new PlatformException(
                $"{path} exists and is not a socket", Eaddrinuse, "remove it, or choose another socket path");
        }

        if (IsAnswered(path, endPoint))
        {
            throw new PlatformException(
                $"Another process already listens on {path}",
                Eaddrinuse,
                "stop the running daemon first, or choose another socket path");
        }

        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PlatformException(
                $"Could not remove the stale socket {path}: {exception.Message}", innerException: exception);
        }
    }

    private static bool IsAnswered(string path, UnixDomainSocketEndPoint endPoint)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(endPoint);
            return true;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return false;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
        {
            // A full backlog: somebody listens, however slowly.
            return true;
        }
        catch (SocketException exception)
        {
            throw new PlatformException(
                $"Could not find out whether {path} is in use: {exception.Message}", exception.NativeErrorCode);
        }
    }
}

using System.IO.Pipes;
using System.Net.Sockets;
using System.Security.Principal;

namespace Diode.Tunnel.Control;

/// <summary>Where the daemon listens: a Unix socket, on Windows a named pipe.</summary>
/// <param name="Path">File name of the socket, or <c>\\.\pipe\…</c>.</param>
public sealed record ControlEndpoint(string Path)
{
    /// <summary>The environment variable that overrides <see cref="DefaultPath"/>.</summary>
    public const string EnvironmentVariable = "DIODE_TUNNEL_SOCKET";

    /// <summary>The value of the Host header; the server takes no other (besides <c>localhost</c>).</summary>
    public const string HostName = "diode-tunnel";

    private const string PipePrefix = @"\\.\pipe\";
    private const string DefaultSocket = "/run/diode-tunnel/daemon.sock";

    // Below ProtectedPrefix\Administrators only an administrator can create the pipe, so nobody can squat the name.
    private const string DefaultPipe = PipePrefix + @"ProtectedPrefix\Administrators\DiodeTunnel\daemon";

    /// <summary>The place used when nothing else is asked for.</summary>
    public static string DefaultPath => OperatingSystem.IsWindows() ? DefaultPipe : DefaultSocket;

    /// <summary>True for a named pipe.</summary>
    public bool IsPipe => Path.StartsWith(PipePrefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>The endpoint to use: what was asked for, else the environment variable, else the default.</summary>
    public static ControlEndpoint Resolve(string? requested = null)
    {
        if (string.IsNullOrEmpty(requested))
        {
            requested = Environment.GetEnvironmentVariable(EnvironmentVariable);
        }

        return new ControlEndpoint(string.IsNullOrEmpty(requested) ? DefaultPath : requested);
    }

    /// <summary>Opens one connection; the caller owns the stream.</summary>
    /// <exception cref="ControlException">Nobody answers, or the caller may not connect.</exception>
    public async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            return IsPipe
                ? await ConnectPipeAsync(cancellationToken).ConfigureAwait(false)
                : await ConnectSocketAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsDenied(e))
        {
            throw new ControlException(
                ControlErrorCodes.PrivilegeRequired, $"You may not connect to {Path}.", "Run it again with sudo.", 403, e);
        }
        catch (Exception e) when (e is SocketException or IOException or TimeoutException or ArgumentException)
        {
            throw new ControlException(
                ControlErrorCodes.DaemonNotRunning, "The daemon is not running.", StartHint(), 503, e);
        }
    }

    private static bool IsDenied(Exception e) =>
        e is UnauthorizedAccessException || e is SocketException { SocketErrorCode: SocketError.AccessDenied };

    private string StartHint()
    {
        string start = OperatingSystem.IsWindows()
            ? "Start it: sc start DiodeTunnel"
            : "Start it: sudo systemctl start diode-tunneld";
        return Path == DefaultPath ? start : $"{start} (nothing answers at {Path})";
    }

    private async ValueTask<Stream> ConnectSocketAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async ValueTask<Stream> ConnectPipeAsync(CancellationToken cancellationToken)
    {
        // Identification: the server may see who calls, but not act in the caller's name.
        var pipe = new NamedPipeClientStream(
            ".", Path[PipePrefix.Length..], PipeDirection.InOut, PipeOptions.Asynchronous, TokenImpersonationLevel.Identification);
        try
        {
            await pipe.ConnectAsync(TimeSpan.FromSeconds(2), cancellationToken).ConfigureAwait(false);
            return pipe;
        }
        catch
        {
            await pipe.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}

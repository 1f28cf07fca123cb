using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Diode.Tunnel.Platform.Service;

/// <summary>Tells systemd how the service is doing (sd_notify(3)); does nothing when systemd did not start it.</summary>
/// <remarks>Thread-safe. Failures are reported as false and never thrown: a service must not die of its own report.</remarks>
public sealed class SystemdNotify : IDisposable
{
    private readonly Socket? _socket;

    /// <summary>Uses the values systemd passes in the environment.</summary>
    /// <param name="notifySocket">NOTIFY_SOCKET: a path, or '@' and an abstract name; null or empty for none.</param>
    /// <param name="watchdogMicroseconds">WATCHDOG_USEC, or null.</param>
    /// <param name="watchdogPid">WATCHDOG_PID, or null; the watchdog is meant for that process only.</param>
    public SystemdNotify(string? notifySocket, string? watchdogMicroseconds = null, string? watchdogPid = null)
    {
        _socket = Connect(notifySocket);
        if (_socket is not null
            && long.TryParse(watchdogMicroseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long interval)
            && interval > 0
            && interval <= TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerMicrosecond
            && (string.IsNullOrEmpty(watchdogPid)
                || watchdogPid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture)))
        {
            WatchdogTimeout = TimeSpan.FromTicks(interval * TimeSpan.TicksPerMicrosecond);
        }
    }

    /// <summary>True if there is a systemd to talk to.</summary>
    public bool IsActive => _socket is not null;

    /// <summary>systemd kills the service after this much silence; null without a watchdog.</summary>
    public TimeSpan? WatchdogTimeout { get; }

    /// <summary>How often to call <see cref="Watchdog"/>: half the timeout, as sd_watchdog_enabled(3) recommends.</summary>
    public TimeSpan? WatchdogInterval => WatchdogTimeout / 2;

    /// <summary>Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of this process.</summary>
    public static SystemdNotify FromEnvironment() => new(
        Environment.GetEnvironmentVariable("NOTIFY_SOCKET"),
        Environment.GetEnvironmentVariable("WATCHDOG_USEC"),
        Environment.GetEnvironmentVariable("WATCHDOG_PID"));

    /// <summary>Start-up is finished.</summary>
    public bool Ready() => Send("READY=1");

    /// <summary>Shutdown has begun.</summary>
    public bool Stopping() => Send("STOPPING=1");

    /// <summary>Still alive.</summary>
    public bool Watchdog() => Send("WATCHDOG=1");

    /// <summary>The line that <c>systemctl status</c> shows.</summary>
    /// <param name="text">One line; line breaks become spaces, since each line is an assignment of its own.</param>
    public bool Status(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Send("STATUS=" + text.ReplaceLineEndings(" ").Replace('\n', ' '));
    }

    /// <summary>Closes the connection to systemd.</summary>
    public void Dispose() => _socket?.Dispose();

    private static Socket? Connect(string? notifySocket)
    {
        if (!OperatingSystem.IsLinux() || string.IsNullOrEmpty(notifySocket) || notifySocket[0] is not ('/' or '@'))
        {
            return null;
        }

        string path = notifySocket[0] == '@' ? '\0' + notifySocket[1..] : notifySocket;
        Socket? socket = null;
        try
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            socket?.Dispose();
            return null;
        }
    }

    private bool Send(string message)
    {
        try
        {
            byte[] bytes = Encoding.UTF8.GetBytes(message);
            return _socket is not null && _socket.Send(bytes) == bytes.Length;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }
}

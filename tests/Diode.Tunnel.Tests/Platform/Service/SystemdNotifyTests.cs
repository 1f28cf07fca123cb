using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Platform.Service;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Service;

public sealed class SystemdNotifyTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("notify-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Messages_arrive_one_per_datagram(bool isAbstract)
    {
        string path = Path.Combine(_folder.FullName, "notify");
        using Socket systemd = Listen(isAbstract ? '\0' + path : path);
        using SystemdNotify notify = new(isAbstract ? '@' + path : path);
        Assert.True(notify.IsActive);
        Assert.True(notify.Ready());
        Assert.Equal("READY=1", Receive(systemd));
        Assert.True(notify.Status("3 peers\nREADY=0\r\nx"));
        Assert.Equal("STATUS=3 peers READY=0 x", Receive(systemd));
        Assert.True(notify.Watchdog());
        Assert.Equal("WATCHDOG=1", Receive(systemd));
        Assert.True(notify.Stopping());
        Assert.Equal("STOPPING=1", Receive(systemd));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("relative")]
    [InlineData("vsock:2:1")]
    [InlineData("/nonexistent/notify")]
    public void Without_systemd_nothing_happens(string? socket)
    {
        using SystemdNotify notify = new(socket, "1000000");
        Assert.False(notify.IsActive);
        Assert.False(notify.Ready());
        Assert.Null(notify.WatchdogInterval);
    }

    [Fact]
    public void A_systemd_that_went_away_is_no_error()
    {
        string path = Path.Combine(_folder.FullName, "notify");
        using SystemdNotify notify = Connect(path, null, null);
        Assert.False(notify.Ready());
        notify.Dispose();
        Assert.False(notify.Ready());
    }

    [Theory]
    [InlineData("30000000", null, 15.0)]
    [InlineData("30000000", "own", 15.0)]
    [InlineData("30000000", "1", null)]
    [InlineData("0", null, null)]
    [InlineData("-5", null, null)]
    [InlineData("99999999999999999999", null, null)]
    [InlineData("soon", null, null)]
    [InlineData(null, null, null)]
    public void The_watchdog_is_fed_twice_per_timeout(string? microseconds, string? pid, double? seconds)
    {
        string? processId = pid == "own" ? Environment.ProcessId.ToString(CultureInfo.InvariantCulture) : pid;
        using SystemdNotify notify = Connect(Path.Combine(_folder.FullName, "notify"), microseconds, processId);
        Assert.Equal(seconds, notify.WatchdogInterval?.TotalSeconds);
    }

    private static SystemdNotify Connect(string path, string? microseconds, string? pid)
    {
        using Socket systemd = Listen(path);
        return new SystemdNotify(path, microseconds, pid);
    }

    private static Socket Listen(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 5000 };
        socket.Bind(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[256];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}

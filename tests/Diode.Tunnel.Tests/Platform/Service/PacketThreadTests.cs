using System.Globalization;
using Diode.Tunnel.Platform.Service;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Service;

public sealed class PacketThreadTests
{
    [Fact]
    public void Only_the_thread_that_asks_is_preferred()
    {
        bool isPreferred = false;
        int nice = 0;
        int inherited = 0;
        int other = ReadNice();
        Thread thread = new(() =>
        {
            isPreferred = PacketThread.Prefer();
            nice = ReadNice();
            Thread child = new(() => inherited = ReadNice());
            child.Start();
            child.Join();
        });
        thread.Start();
        thread.Join();
        Assert.Equal(other, inherited);
        Assert.Equal(other, ReadNice());
        Assert.Equal(isPreferred && OperatingSystem.IsLinux() ? PacketThread.Nice : other, nice);
        if (OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess)
        {
            Assert.True(isPreferred);
        }
    }

    /// <summary>proc_pid_stat(5): the 19th field, of which the first two are a number and a name in parentheses.</summary>
    private static int ReadNice()
    {
        if (!OperatingSystem.IsLinux())
        {
            return 0;
        }

        string status = File.ReadAllText("/proc/thread-self/stat");
        string[] fields = status[(status.LastIndexOf(')') + 2)..].Split(' ');
        return int.Parse(fields[16], CultureInfo.InvariantCulture);
    }
}

using Diode.Tunnel.Platform.Memory;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Memory;

public class ResidentMemoryTests
{
    [Theory]
    [InlineData("7f0000001000-7f0000003000 r-xp 00001000 08:01 123                    /usr/lib/libc.so.6", true)]
    [InlineData("7f0000001000-7f0000003000 r--s 00001000 08:01 123                    /usr/sbin/diode-tunneld", true)]
    [InlineData("7f0000001000-7f0000003000 r-xp 00001000 08:01 123                    /usr/with space/x", true)]
    [InlineData("7f0000001000-7f0000003000 r--p 00001000 08:01 123                    /usr/lib/libc.so.6", false)]
    [InlineData("7f0000001000-7f0000003000 rw-p 00001000 08:01 123                    /usr/lib/libc.so.6", false)]
    [InlineData("7f0000001000-7f0000003000 rwxp 00001000 08:01 123                    /usr/lib/libc.so.6", false)]
    [InlineData("7f0000001000-7f0000003000 r-xs 00001000 00:01 123                    /memfd:doublemapper (deleted)", false)]
    [InlineData("7f0000001000-7f0000003000 r-xp 00000000 00:00 0                      [vdso]", false)]
    [InlineData("7f0000001000-7f0000003000 r-xp 00000000 00:00 0 ", false)]
    public void Only_what_can_be_read_again_from_its_file_is_given_back(string line, bool expected)
    {
        Assert.True(MemoryMapLine.TryParse(line, out MemoryMapLine map));
        Assert.Equal(new MemoryMapLine(0x7f0000001000, 0x2000, expected), map);
    }

    [Theory]
    [InlineData("")]
    [InlineData("7f00-8f00 r-xp")]
    [InlineData("7f00 r-xp 00001000 08:01 123 /x")]
    [InlineData("8f00-7f00 r-xp 00001000 08:01 123 /x")]
    [InlineData("xyz-7f00 r-xp 00001000 08:01 123 /x")]
    [InlineData("7f00-8f00 r-xpp 00001000 08:01 123 /x")]
    public void Other_lines_are_skipped(string line)
    {
        Assert.False(MemoryMapLine.TryParse(line, out _));
    }

    [Fact]
    public void A_release_takes_program_pages_and_the_program_goes_on()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        long before = FilePages();
        ResidentMemory.ReleaseProgram();
        Assert.InRange(FilePages(), 0, before - 1);
        ResidentMemory.ReleaseHeap();
        Assert.Equal(16, Convert.FromHexString("000102030405060708090a0b0c0d0e0f").Length);
    }

    /// <summary>proc_pid_statm(5): the third number is the resident pages of files.</summary>
    private static long FilePages()
    {
        return long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture);
    }
}

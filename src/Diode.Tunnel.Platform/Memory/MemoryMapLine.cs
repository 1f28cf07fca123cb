using System.Globalization;

namespace Diode.Tunnel.Platform.Memory;

/// <summary>One line of /proc/PID/maps, or the first of a map in /proc/PID/smaps (proc_pid_maps(5)).</summary>
/// <param name="Start">First address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="IsProgram">
/// It shows a file and this process cannot have written to it: code, or what is shared and read-only. Its pages can be read again from
/// the file at any time. Pages that are private and were once writable (relocated data) are not of this kind.
/// </param>
internal readonly record struct MemoryMapLine(long Start, long Length, bool IsProgram)
{
    private const int Fields = 5;

    /// <summary>Reads a line such as <c>7f00-8f00 r-xp 00001000 08:01 123 /usr/bin/x</c>.</summary>
    public static bool TryParse(ReadOnlySpan<char> line, out MemoryMapLine map)
    {
        map = default;
        Span<Range> fields = stackalloc Range[Fields + 1];
        int count = line.Split(fields, ' ', StringSplitOptions.RemoveEmptyEntries);
        if (count < Fields)
        {
            return false;
        }

        ReadOnlySpan<char> range = line[fields[0]];
        ReadOnlySpan<char> rights = line[fields[1]];
        int dash = range.IndexOf('-');
        if (dash < 0
            || rights.Length != 4
            || !long.TryParse(range[..dash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long start)
            || !long.TryParse(range[(dash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long end)
            || start < 0
            || end <= start)
        {
            return false;
        }

        ReadOnlySpan<char> path = count > Fields ? line[fields[Fields]] : default;
        bool isFile = path.StartsWith("/") && !path.StartsWith("/memfd:") && !path.StartsWith("/dev/");
        bool isUnwritten = rights is "r-xp" or "r--s" or "r-xs";
        map = new MemoryMapLine(start, end - start, isFile && isUnwritten);
        return true;
    }
}

using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Memory;

/// <summary>
/// Gives memory back that only the past needed. Starting runs code that is never run again, and the kernel brings in its neighbours with
/// it: more than half of what a daemon occupies then. It stays until memory gets scarce, unless somebody says that it is not needed.
/// </summary>
/// <remarks>
/// Nothing is lost: what is used again is brought back from the kernel's cache, 16 pages with a minor fault, without reading the disk.
/// Linux; elsewhere nothing happens.
/// </remarks>
public static class ResidentMemory
{
    /// <summary>Pages of a map that differ from its file: code that was relocated, a debugger's break points. Those would be lost.</summary>
    private const string OwnCopies = "Anonymous:";

    /// <summary>Resident bytes of this process; 0 if the system does not say.</summary>
    public static long Bytes
    {
        get
        {
            try
            {
                return OperatingSystem.IsLinux() ? Environment.WorkingSet : 0;
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>
    /// Compacts the managed heap and gives back what it and malloc hold without using it. Everything waits for the compaction: some
    /// milliseconds.
    /// </summary>
    public static void ReleaseHeap()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        try
        {
            _ = OperatingSystem.IsLinux() && Libc.MallocTrim(0) != 0;
        }
        catch (EntryPointNotFoundException)
        {
            // Not glibc.
        }
    }

    /// <summary>Gives back pages of the program's files. Nobody waits, also under load: what is in use is back at once.</summary>
    public static void ReleaseProgram()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            ReleaseMaps();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No /proc: nothing is gained, nothing is lost.
        }
    }

    private static void ReleaseMaps()
    {
        // Each map is a line as in /proc/self/maps, followed by its numbers.
        MemoryMapLine map = default;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (MemoryMapLine.TryParse(line, out MemoryMapLine next))
            {
                map = next;
            }
            else if (map.IsProgram && line.StartsWith(OwnCopies, StringComparison.Ordinal) && line.AsSpan(OwnCopies.Length).Trim() is "0 kB")
            {
                // A refusal (the map is locked, or gone meanwhile) leaves things as they are.
                _ = Libc.Madvise((nint)map.Start, (nuint)map.Length, Libc.MADV_DONTNEED);
            }
        }
    }
}

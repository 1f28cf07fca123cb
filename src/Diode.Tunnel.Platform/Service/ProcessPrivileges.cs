using System.Globalization;

namespace Diode.Tunnel.Platform.Service;

/// <summary>What this process may do to the network of the machine.</summary>
public static class ProcessPrivileges
{
    // capabilities(7): CAP_NET_ADMIN is bit 12.
    private const int CapNetAdmin = 12;
    private const int Eperm = 1;

    /// <summary>True for root on Linux, for an elevated process on Windows.</summary>
    public static bool IsElevated => Environment.IsPrivilegedProcess;

    /// <summary>True if interfaces, routes and firewall rules may be changed.</summary>
    public static bool HasNetAdmin => OperatingSystem.IsLinux()
        ? TryReadEffectiveCapabilities(ReadStatus(), out ulong capabilities)
            ? (capabilities & (1UL << CapNetAdmin)) != 0
            : IsElevated
        : IsElevated;

    /// <summary>Refuses with an instruction when <see cref="HasNetAdmin"/> is false.</summary>
    /// <param name="command">What the user typed, for the hint: "diode-tunnel up" becomes "run as root: sudo diode-tunnel up".</param>
    /// <exception cref="PlatformException">The privilege is missing.</exception>
    public static void RequireNetAdmin(string command)
    {
        ArgumentException.ThrowIfNullOrEmpty(command);
        if (HasNetAdmin)
        {
            return;
        }

        throw OperatingSystem.IsWindows()
            ? new PlatformException("Administrator rights are needed to change the network", hint: "run from an elevated prompt")
            : IsElevated
                ? new PlatformException(
                    "The capability CAP_NET_ADMIN is missing although this is root",
                    Eperm,
                    "in a container: start it with --cap-add=NET_ADMIN --device=/dev/net/tun")
                : new PlatformException(
                    "Root rights are needed to change the network", Eperm, $"run as root: sudo {command}");
    }

    /// <summary>Reads the line CapEff of /proc/self/status (proc_pid_status(5)).</summary>
    internal static bool TryReadEffectiveCapabilities(ReadOnlySpan<char> status, out ulong capabilities)
    {
        foreach (ReadOnlySpan<char> line in status.EnumerateLines())
        {
            if (line.StartsWith("CapEff:", StringComparison.Ordinal))
            {
                return ulong.TryParse(
                    line["CapEff:".Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out capabilities);
            }
        }

        capabilities = 0;
        return false;
    }

    private static string ReadStatus()
    {
        try
        {
            return File.ReadAllText("/proc/self/status");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

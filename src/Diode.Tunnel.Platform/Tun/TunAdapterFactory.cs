namespace Diode.Tunnel.Platform.Tun;

/// <summary>Opens the virtual adapter of this operating system.</summary>
public static class TunAdapterFactory
{
    /// <summary>Creates the adapter. It is down and has no address: that is the work of the network changes.</summary>
    /// <exception cref="PlatformException">The system refused; the text says what to do.</exception>
    /// <exception cref="PlatformNotSupportedException">Neither Linux nor Windows.</exception>
    public static ITunAdapter Open(TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (OperatingSystem.IsLinux())
        {
            return LinuxTunAdapter.Open(options);
        }

        if (OperatingSystem.IsWindows())
        {
            return WintunAdapter.Open(options);
        }

        throw new PlatformNotSupportedException("Virtual adapters are available on Linux (TUN) and Windows (Wintun).");
    }
}

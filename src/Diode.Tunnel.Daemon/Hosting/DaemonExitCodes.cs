namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Exit codes, after sysexits.h: systemd shows them by name and the unit does not restart on the hopeless ones.</summary>
public static class DaemonExitCodes
{
    /// <summary>Stopped as asked.</summary>
    public const int Ok = 0;

    /// <summary>Wrong command line (EX_USAGE).</summary>
    public const int Usage = 64;

    /// <summary>Something needed is not there: another daemon runs, a part is missing (EX_UNAVAILABLE).</summary>
    public const int Unavailable = 69;

    /// <summary>A fault in the program (EX_SOFTWARE).</summary>
    public const int Fault = 70;

    /// <summary>The operating system refused something (EX_OSERR).</summary>
    public const int System = 71;

    /// <summary>Not root (EX_NOPERM).</summary>
    public const int NotPrivileged = 77;

    /// <summary>Wrong configuration (EX_CONFIG).</summary>
    public const int Configuration = 78;
}

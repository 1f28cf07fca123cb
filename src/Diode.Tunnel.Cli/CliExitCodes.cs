using Diode.Tunnel.Control;

namespace Diode.Tunnel.Cli;

/// <summary>What the program's exit code says; scripts may rely on them.</summary>
public static class CliExitCodes
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>Failed for a reason without a code of its own.</summary>
    public const int Failed = 1;

    /// <summary>The daemon is not running.</summary>
    public const int DaemonNotRunning = 2;

    /// <summary>Needs root or the operator.</summary>
    public const int PrivilegeRequired = 3;

    /// <summary>No such device, fleet, exit or rule.</summary>
    public const int NotFound = 4;

    /// <summary>Refused as it stands: bad value, name taken, manifest that does not verify, tunnel down.</summary>
    public const int Refused = 5;

    /// <summary>Not possible now, or took too long: trying again may help.</summary>
    public const int Unavailable = 6;

    /// <summary>The question is answered with no: not ready, not verified, no reply to any ping.</summary>
    public const int Negative = 7;

    /// <summary>Wrong command line.</summary>
    public const int Usage = 64;

    /// <summary>Interrupted by Ctrl-C.</summary>
    public const int Interrupted = 130;

    /// <summary>The exit code of an error code of the API.</summary>
    public static int For(string errorCode) => errorCode switch
    {
        ControlErrorCodes.DaemonNotRunning => DaemonNotRunning,
        ControlErrorCodes.PrivilegeRequired => PrivilegeRequired,
        ControlErrorCodes.NotFound => NotFound,
        ControlErrorCodes.BadRequest or ControlErrorCodes.Conflict or ControlErrorCodes.BadManifest
            or ControlErrorCodes.TunnelDown => Refused,
        ControlErrorCodes.Unavailable or ControlErrorCodes.Timeout => Unavailable,
        _ => Failed,
    };
}

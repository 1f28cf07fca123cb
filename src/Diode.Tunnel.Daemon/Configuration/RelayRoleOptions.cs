using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>Settings of the relay role.</summary>
public sealed record RelayRoleOptions
{
    /// <summary>The file read when no other is named.</summary>
    public const string DefaultFile = "/etc/diode-tunnel/relay.json";

    /// <summary>Folder of the relay's key and tickets; created with mode 0700.</summary>
    public string StateDir { get; init; } = "/var/lib/diode-relay";

    /// <summary>Where devices connect, <c>address:port</c>; the port of the first is announced.</summary>
    public IReadOnlyList<string> Listen { get; init; } = ["0.0.0.0:41046"];

    /// <summary>Name or address others reach this relay by; null = the listening address, or one of this machine.</summary>
    public string? Host { get; init; }

    /// <summary>Name shown to people; null = made from address and machine name.</summary>
    public string? Name { get; init; }

    /// <summary>Least level written to the log.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>All settings with their names in file, environment and command line.</summary>
    public static OptionTable<RelayRoleOptions> Table { get; } = new(
        "DIODE_RELAY_",
        [
            new("state-dir", "DIR", "Folder of the relay's key and tickets (default /var/lib/diode-relay).", false,
                (o, v) => o with { StateDir = OptionText.AbsolutePath(v[0]) }),
            new("listen", "ADDR:PORT", "Where devices connect; several with commas or repeated (default 0.0.0.0:41046).", true,
                (o, v) => o with { Listen = [.. v.Select(OptionText.ListenEndpoint)] }),
            new("host", "HOST", "Name or address others reach this relay by (default an address of this machine).", false,
                (o, v) => o with { Host = OptionText.HostName(v[0]) }),
            new("name", "TEXT", "Name of this relay as people see it.", false,
                (o, v) => o with { Name = v[0] }),
            new("log-level", "LEVEL", "trace, debug, info, warning or error (default info).", false,
                (o, v) => o with { LogLevel = OptionText.Level(v[0]) }),
        ]);
}

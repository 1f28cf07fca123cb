using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>What the tunnel as a whole is doing.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DaemonState>))]
public enum DaemonState
{
    /// <summary>Switched off: no adapter, no sessions.</summary>
    [JsonStringEnumMemberName("down")] Down,

    /// <summary>Adapter there, no relay session yet.</summary>
    [JsonStringEnumMemberName("connecting")] Connecting,

    /// <summary>Ready: at least one relay session with an accepted ticket.</summary>
    [JsonStringEnumMemberName("up")] Up,

    /// <summary>A regional tunnel is wanted and not there: traffic is held back rather than leaked.</summary>
    [JsonStringEnumMemberName("blocked")] Blocked,

    /// <summary>Could not be set up; a person has to act.</summary>
    [JsonStringEnumMemberName("error")] Error,
}

/// <summary>State of one relay session.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RelayState>))]
public enum RelayState
{
    /// <summary>No connection; the next attempt is scheduled.</summary>
    [JsonStringEnumMemberName("disconnected")] Disconnected,

    /// <summary>TCP, TLS or hello under way.</summary>
    [JsonStringEnumMemberName("connecting")] Connecting,

    /// <summary>Session open and ticket accepted.</summary>
    [JsonStringEnumMemberName("connected")] Connected,

    /// <summary>Refused for a reason that a retry alone will not cure (another identity, ticket refused).</summary>
    [JsonStringEnumMemberName("refused")] Refused,
}

/// <summary>The way packets to a peer take.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PathKind>))]
public enum PathKind
{
    /// <summary>No way known at present.</summary>
    [JsonStringEnumMemberName("none")] None,

    /// <summary>Straight from device to device by UDP.</summary>
    [JsonStringEnumMemberName("direct-udp")] DirectUdp,

    /// <summary>Through a UDP port of a relay.</summary>
    [JsonStringEnumMemberName("relay-udp")] RelayUdp,

    /// <summary>Inside the TLS session of a relay.</summary>
    [JsonStringEnumMemberName("relay-stream")] RelayStream,

    /// <summary>A plain Diode device: no packets, but ports through a relay.</summary>
    [JsonStringEnumMemberName("plain-diode")] PlainDiode,
}

/// <summary>State of the regional tunnel. Once wanted it never falls back to clear text: it is connected or blocked.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ExitState>))]
public enum ExitState
{
    /// <summary>No exit wanted: traffic leaves as it would without a tunnel.</summary>
    [JsonStringEnumMemberName("disconnected")] Disconnected,

    /// <summary>Exit wanted, being set up; traffic is blocked meanwhile.</summary>
    [JsonStringEnumMemberName("connecting")] Connecting,

    /// <summary>Traffic leaves at the exit.</summary>
    [JsonStringEnumMemberName("connected")] Connected,

    /// <summary>The exit is lost or was refused; traffic is blocked until another is there or it is switched off.</summary>
    [JsonStringEnumMemberName("blocked")] Blocked,
}

/// <summary>How bad a health warning is.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<HealthSeverity>))]
public enum HealthSeverity
{
    /// <summary>Worth knowing.</summary>
    [JsonStringEnumMemberName("info")] Info,

    /// <summary>Something works less well than it could.</summary>
    [JsonStringEnumMemberName("warning")] Warning,

    /// <summary>Something does not work.</summary>
    [JsonStringEnumMemberName("error")] Error,
}

/// <summary>Transport protocol of a publish rule.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PublishProtocol>))]
public enum PublishProtocol
{
    /// <summary>TCP and UDP (for a rule without a port: every protocol).</summary>
    [JsonStringEnumMemberName("any")] Any,

    /// <summary>TCP.</summary>
    [JsonStringEnumMemberName("tcp")] Tcp,

    /// <summary>UDP.</summary>
    [JsonStringEnumMemberName("udp")] Udp,

    /// <summary>TCP inside end-to-end TLS; only for ports of plain Diode devices.</summary>
    [JsonStringEnumMemberName("tls")] Tls,
}

/// <summary>Who may open a port published by a definition of the Diode clients.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PublishMode>))]
public enum PublishMode
{
    /// <summary>Every device.</summary>
    [JsonStringEnumMemberName("public")] Public,

    /// <summary>Members of the named fleets, or of every fleet of this device.</summary>
    [JsonStringEnumMemberName("protected")] Protected,

    /// <summary>The named devices.</summary>
    [JsonStringEnumMemberName("private")] Private,
}

/// <summary>What the caller of the control API may do.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AccessLevel>))]
public enum AccessLevel
{
    /// <summary>May look.</summary>
    [JsonStringEnumMemberName("read-only")] ReadOnly,

    /// <summary>May look and change: root, the daemon's own user, the configured operator.</summary>
    [JsonStringEnumMemberName("read-write")] ReadWrite,
}

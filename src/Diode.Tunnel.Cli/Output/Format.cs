using System.Globalization;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Values as people read them.</summary>
internal static class Format
{
    /// <summary>The name JSON uses for an enum value, such as <c>direct-udp</c>.</summary>
    internal static string Word(Control.Models.PathKind kind) => kind switch
    {
        Control.Models.PathKind.DirectUdp => "direct-udp",
        Control.Models.PathKind.RelayUdp => "relay-udp",
        Control.Models.PathKind.RelayStream => "relay-stream",
        Control.Models.PathKind.PlainDiode => "plain-diode",
        _ => "none",
    };

    /// <summary>The name JSON uses for an enum value of one word.</summary>
    internal static string Word(Enum value) => value.ToString().ToLowerInvariant();

    internal static string? Milliseconds(double? value) =>
        value is double ms ? ms.ToString(ms < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture) + "ms" : null;

    internal static string Bytes(long value)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        double amount = value;
        int unit = 0;
        while (amount >= 1024 && unit < units.Length - 1)
        {
            amount /= 1024;
            unit++;
        }

        return amount.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + units[unit];
    }

    /// <summary>How long ago, in the largest fitting unit.</summary>
    internal static string? Ago(DateTimeOffset? time, DateTimeOffset now) =>
        time is DateTimeOffset then ? Span(now - then) + " ago" : null;

    internal static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => "0s",
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalSeconds}s"),
        { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalMinutes}m{span.Seconds:00}s"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours}h{span.Minutes:00}m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalDays}d{span.Hours:00}h"),
    };

    /// <summary>A moment in UTC, without a blank so that it stays one field.</summary>
    internal static string? Moment(DateTimeOffset? time) =>
        time?.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}

using System.Globalization;
using System.Net;
using Diode.Tunnel.Control;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Platform;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>Texts of settings to values; each throws <see cref="FormatException"/> saying what is wrong with the text.</summary>
internal static class OptionText
{
    internal static string AbsolutePath(string text) => Path.IsPathFullyQualified(text)
        ? text
        : throw new FormatException($"'{text}' is not an absolute path.");

    internal static int Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most
            ? value
            : throw new FormatException($"'{text}' is not a number from {least} to {most}.");

    /// <summary>An interface name as Linux takes it: 1–15 characters, no slash, no white space (dev_valid_name).</summary>
    /// <summary>A number of bytes with a unit; null for off.</summary>
    internal static long? Size(string text) =>
        text == "off" ? null
        : ByteSize.TryParse(text, out long bytes) ? bytes
        : throw new FormatException($"'{text}' is not {ByteSize.Rule}, or off.");

    internal static string InterfaceName(string text) =>
        text.Length is > 0 and <= 15 && text is not ("." or "..") && text.All(c => c is > ' ' and < '\x7f' and not '/' and not ':')
            ? text
            : throw new FormatException($"'{text}' is not an interface name of at most 15 characters.");

    internal static IPNetwork Ipv4Network(string text) =>
        IPNetwork.TryParse(text, out IPNetwork network)
        && network.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork
        && network.PrefixLength is >= 8 and <= 24
        && text.StartsWith(network.BaseAddress + "/", StringComparison.Ordinal) // .NET clears host bits silently
            ? network
            : throw new FormatException($"'{text}' is not an IPv4 network such as 100.64.0.0/10 (prefix 8 to 24).");

    /// <summary><c>diode://0x…@host:port</c>; only the shape is looked at here.</summary>
    internal static string RelayUri(string text)
    {
        const string scheme = "diode://0x";
        const int hexDigits = 40;
        bool good = text.StartsWith(scheme, StringComparison.Ordinal)
            && text.Length > scheme.Length + hexDigits + 1
            && text.AsSpan(scheme.Length, hexDigits).IndexOfAnyExcept(HexDigits) < 0
            && text[scheme.Length + hexDigits] == '@'
            && TrySplitHostPort(text[(scheme.Length + hexDigits + 1)..], out _, out _);
        return good ? text : throw new FormatException($"'{text}' is not of the form diode://0x<40 hex digits>@host:port.");
    }

    /// <summary>An address of the Diode network: <c>0x</c> and 40 hexadecimal digits.</summary>
    internal static string Address(string text) =>
        text.Length == 42 && text.StartsWith("0x", StringComparison.Ordinal) && text.AsSpan(2).IndexOfAnyExcept(HexDigits) < 0
            ? text
            : throw new FormatException($"'{text}' is not of the form 0x<40 hex digits>.");

    /// <summary>An address of this machine and a port; port 0 lets the system choose.</summary>
    internal static string ListenEndpoint(string text) =>
        IPEndPoint.TryParse(text, out _) && text.LastIndexOf(':') > text.LastIndexOf(']')
            ? text
            : throw new FormatException($"'{text}' is not of the form address:port, such as 0.0.0.0:41046 or [::]:41046.");

    /// <summary>A host name or address without port, as it can stand in <c>diode://0x…@host:port</c>.</summary>
    internal static string HostName(string text) =>
        text.Length is > 0 and <= 253 && text.IndexOfAny([' ', '/', '@']) < 0
        && (Uri.CheckHostName(text) != UriHostNameType.Unknown)
            ? text
            : throw new FormatException($"'{text}' is not a host name or address.");

    /// <summary><c>prefix=url</c> of a chain that a relay can read.</summary>
    internal static string Chain(string text)
    {
        _ = Relay.Chains.ChainOptions.Parse([text]);
        return text;
    }

    /// <summary>An IPv4 address.</summary>
    internal static IPAddress Ipv4Address(string text) =>
        IPAddress.TryParse(text, out IPAddress? address) && address.ToString() == text
        && address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork
            ? address
            : throw new FormatException($"'{text}' is not an IPv4 address.");

    /// <summary>Letters, digits and hyphens, at most 32.</summary>
    internal static string Region(string text) =>
        text.Length is > 0 and <= 32 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? text
            : throw new FormatException($"'{text}' is not a region such as de or us-west (letters, digits, hyphens).");

    /// <summary>A switch: yes or no.</summary>
    internal static PathChoice Paths(string text) => text.ToLowerInvariant() switch
    {
        "auto" => PathChoice.Auto,
        "relay" => PathChoice.Relay,
        "stream" => PathChoice.Stream,
        _ => throw new FormatException($"'{text}' is not auto, relay or stream."),
    };

    internal static OffloadSwitches Offloads(IEnumerable<string> words)
    {
        string text = string.Join(',', words);
        return OffloadSwitches.TryParse(text, out OffloadSwitches switches)
            ? switches
            : throw new FormatException($"'{text}' names an offload there is not.");
    }

    internal static bool Flag(string text) => text.ToLowerInvariant() switch
    {
        "yes" or "true" or "on" => true,
        "no" or "false" or "off" => false,
        _ => throw new FormatException($"'{text}' is neither yes nor no"),
    };

    internal static LogLevel Level(string text) => text.ToLowerInvariant() switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" or "information" => LogLevel.Information,
        "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => throw new FormatException($"'{text}' is not trace, debug, info, warning or error."),
    };

    /// <summary>A user id, or the name of a local user.</summary>
    internal static uint User(string text, string passwdFile = "/etc/passwd")
    {
        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid))
        {
            return uid;
        }

        if (File.Exists(passwdFile))
        {
            foreach (string line in File.ReadLines(passwdFile))
            {
                string[] fields = line.Split(':');
                if (fields.Length > 2 && fields[0] == text
                    && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out uid))
                {
                    return uid;
                }
            }
        }

        throw new FormatException($"'{text}' is neither a user id nor a local user.");
    }

    private static readonly System.Buffers.SearchValues<char> HexDigits =
        System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");

    private static bool TrySplitHostPort(string text, out string host, out int port)
    {
        int colon = text.LastIndexOf(':');
        host = colon < 0 ? text : text[..colon];
        port = 0;
        bool bracketed = host.StartsWith('[') && host.EndsWith(']') && host.Length > 2;
        return colon > 0
            && (bracketed || !host.Contains(':', StringComparison.Ordinal))
            && host.IndexOfAny([' ', '/', '@']) < 0
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port)
            && port is > 0 and <= 65535;
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Identity;

/// <summary>
/// Where a relay is and who it must prove to be: <c>diode://0x…@host:port</c>. IPv6 hosts are written in brackets;
/// without them, as diode_node prints them, they are read when a port follows the last colon.
/// </summary>
public sealed record RelayUri
{
    /// <summary>Edge port of diode_node when a text names none.</summary>
    public const ushort DefaultPort = 41046;

    private const string Scheme = "diode://";
    private const int MaxHostLength = 253;

    /// <summary>Takes the parts as they are.</summary>
    public RelayUri(Address address, string host, ushort port)
    {
        Address = address;
        Host = host;
        Port = port;
    }

    /// <summary>The address whose key the relay must hold.</summary>
    public Address Address { get; }

    /// <summary>Host name, IPv4 or IPv6 address (no brackets).</summary>
    public string Host { get; }

    /// <summary>TCP port.</summary>
    public ushort Port { get; }

    /// <summary>Parses the text form; a missing port is <see cref="DefaultPort"/>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out RelayUri? uri)
    {
        uri = null;
        ReadOnlySpan<char> rest = text.AsSpan();
        if (!rest.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        rest = rest[Scheme.Length..];
        if (rest.Length <= Address.TextLength
            || rest[Address.TextLength] != '@'
            || !Address.TryParse(rest[..Address.TextLength], out Address address)
            || !TrySplit(rest[(Address.TextLength + 1)..], out ReadOnlySpan<char> host, out ushort port)
            || !IsHost(host))
        {
            return false;
        }

        uri = new RelayUri(address, host.ToString(), port);
        return true;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static RelayUri Parse(string text)
    {
        return TryParse(text, out RelayUri? uri)
            ? uri
            : throw new FormatException("a relay is written diode://0x<40 hexadecimal digits>@<host>:<port>");
    }

    /// <summary>The text form.</summary>
    public override string ToString()
    {
        bool brackets = Host.Contains(':', StringComparison.Ordinal);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Scheme}{Address}@{(brackets ? "[" : "")}{Host}{(brackets ? "]" : "")}:{Port}");
    }

    private static bool TrySplit(ReadOnlySpan<char> text, out ReadOnlySpan<char> host, out ushort port)
    {
        port = DefaultPort;
        ReadOnlySpan<char> portText = default;
        if (text.StartsWith('['))
        {
            int end = text.IndexOf(']');
            host = end < 0 ? default : text[1..end];
            ReadOnlySpan<char> after = end < 0 ? default : text[(end + 1)..];
            if (after.IsEmpty)
            {
                return end >= 0 && host.Contains(':');
            }

            portText = after[1..];
            return after[0] == ':' && host.Contains(':') && TryParsePort(portText, out port);
        }

        int colon = text.LastIndexOf(':');
        host = colon < 0 ? text : text[..colon];
        return colon < 0 || TryParsePort(text[(colon + 1)..], out port);
    }

    private static bool TryParsePort(ReadOnlySpan<char> text, out ushort port)
    {
        return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port);
    }

    private static bool IsHost(ReadOnlySpan<char> host)
    {
        if (host.IsEmpty || host.Length > MaxHostLength)
        {
            return false;
        }

        foreach (char c in host)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not '.' and not '-' and not ':' and not '_')
            {
                return false;
            }
        }

        return true;
    }
}

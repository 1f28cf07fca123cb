using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// One published definition of the Diode clients (diode-client §13.1): ports and, for protected and private ones, the fleets or devices
/// that may open them. Immutable.
/// </summary>
public sealed partial class PortDefinition
{
    /// <summary>Most addresses of a protected definition, and most names.</summary>
    public const int MaxFleets = 5;

    /// <summary>Most segments of a definition.</summary>
    public const int MaxSegments = 128;

    private const int MaxTextLength = 8192;

    private PortDefinition(
        PublishMode mode, ImmutableArray<PortMapping> ports, ImmutableArray<Address> addresses, ImmutableArray<string> names)
    {
        Mode = mode;
        Ports = ports;
        Addresses = addresses;
        Names = names;
    }

    /// <summary>Who may open the ports.</summary>
    public PublishMode Mode { get; }

    /// <summary>The ports: at least one; destinations differ.</summary>
    public ImmutableArray<PortMapping> Ports { get; }

    /// <summary>Devices (private) or fleets (protected).</summary>
    public ImmutableArray<Address> Addresses { get; }

    /// <summary>Names of devices or fleets.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>Reads the grammar.</summary>
    /// <param name="mode">From the option the text stood behind.</param>
    /// <param name="text">Segments with commas between.</param>
    /// <param name="definition">The definition.</param>
    /// <param name="problem">What is wrong, in the words of the Diode client where it has some.</param>
    public static bool TryParse(
        PublishMode mode,
        string? text,
        [NotNullWhen(true)] out PortDefinition? definition,
        [NotNullWhen(false)] out string? problem)
    {
        definition = null;
        ImmutableArray<PortMapping>.Builder ports = ImmutableArray.CreateBuilder<PortMapping>();
        ImmutableArray<Address>.Builder addresses = ImmutableArray.CreateBuilder<Address>();
        ImmutableArray<string>.Builder names = ImmutableArray.CreateBuilder<string>();
        string[] segments = text is { Length: <= MaxTextLength } ? text.Split(',') : [];
        if (segments.Length is 0 or > MaxSegments)
        {
            problem = $"a definition has 1 to {MaxSegments} segments";
            return false;
        }

        foreach (string raw in segments)
        {
            string segment = raw.Trim();
            if (LooksLikePort(segment))
            {
                if (!TryParsePort(segment, out PortMapping? port))
                {
                    problem = Unexpected(segment);
                    return false;
                }

                if (ports.Any(p => p.Destination == port.Destination))
                {
                    problem = $"port {port.Destination} is published twice";
                    return false;
                }

                ports.Add(port);
            }
            else if (Address.TryParse(segment, out Address address))
            {
                AddNew(addresses, address);
            }
            else if (NameForm().IsMatch(segment))
            {
                AddNew(names, segment);
            }
            else
            {
                problem = Unexpected(segment);
                return false;
            }
        }

        problem = ports.Count == 0 ? "no port to publish: for example 8080:80" : CheckAudience(mode, addresses.Count, names.Count);
        if (problem is not null)
        {
            return false;
        }

        definition = new PortDefinition(mode, ports.ToImmutable(), addresses.ToImmutable(), names.ToImmutable());
        return true;
    }

    /// <summary>One definition for each port: what is kept, so that ports can be taken back one by one.</summary>
    public IEnumerable<PortDefinition> Split()
    {
        return Ports.Select(port => new PortDefinition(Mode, [port], Addresses, Names));
    }

    /// <summary>The form <see cref="TryParse"/> reads.</summary>
    public override string ToString()
    {
        return string.Join(',', [.. Ports.Select(static p => p.ToString()), .. Addresses.Select(static a => a.ToString()), .. Names]);
    }

    private static string? CheckAudience(PublishMode mode, int addresses, int names)
    {
        return mode switch
        {
            PublishMode.Public when addresses + names > 0 => "public port publishing does not support providing addresses",
            PublishMode.Private when addresses + names == 0 => "private port publishing requires providing at least one address or name",
            PublishMode.Protected when addresses > MaxFleets || names > MaxFleets =>
                $"protected port publishing supports at most {MaxFleets} addresses and {MaxFleets} names",
            _ => null,
        };
    }

    private static string Unexpected(string segment)
    {
        return "port format expected (<from_ip>:)<from_port>(:<to_port>:<protocol>) or <address> but got: " + segment;
    }

    private static void AddNew<T>(ImmutableArray<T>.Builder list, T value)
    {
        if (!list.Contains(value))
        {
            list.Add(value);
        }
    }

    /// <summary>A segment with a colon, or of digits only, can be nothing else.</summary>
    private static bool LooksLikePort(string segment)
    {
        return segment.Contains(':', StringComparison.Ordinal) || (segment.Length > 0 && segment.All(char.IsAsciiDigit));
    }

    private static bool TryParsePort(string segment, [NotNullWhen(true)] out PortMapping? port)
    {
        port = TryParseTail(PortMapping.LocalHost, segment);
        if (port is not null)
        {
            return true;
        }

        // Without brackets the end of an IPv6 address can be ambiguous; a guess would publish the wrong service.
        for (int colon = segment.IndexOf(':', StringComparison.Ordinal); colon >= 0; colon = segment.IndexOf(':', colon + 1))
        {
            if (TryParseHost(segment[..colon]) is { } host && TryParseTail(host, segment[(colon + 1)..]) is { } found)
            {
                if (port is not null)
                {
                    port = null;
                    return false;
                }

                port = found;
            }
        }

        return port is not null;
    }

    private static string? TryParseHost(string text)
    {
        bool bracketed = text is ['[', .., ']'];
        string inner = bracketed ? text[1..^1] : text;
        if (inner.Contains(':', StringComparison.Ordinal))
        {
            return Ipv6Form().IsMatch(inner) && IPAddress.TryParse(inner, out _) ? inner : null;
        }

        return !bracketed && text.Contains('.', StringComparison.Ordinal) && HostForm().IsMatch(text) ? text : null;
    }

    private static PortMapping? TryParseTail(string host, string text)
    {
        Match match = TailForm().Match(text);
        if (!match.Success || !TryParseNumber(match.Groups[1].Value, out ushort source))
        {
            return null;
        }

        ushort destination = source;
        if (match.Groups[2].Length > 0 && !TryParseNumber(match.Groups[2].Value, out destination))
        {
            return null;
        }

        PortProtocol protocol = match.Groups[3].Value switch
        {
            "tcp" => PortProtocol.Tcp,
            "tls" => PortProtocol.Tls,
            "udp" => PortProtocol.Udp,
            _ => PortProtocol.Any,
        };
        return new PortMapping(host, source, destination, protocol);
    }

    private static bool TryParseNumber(string text, out ushort number)
    {
        return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number != 0;
    }

    [GeneratedRegex(@"^([0-9]+)(?::([0-9]*)(?::(tcp|tls|udp)?)?)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex TailForm();

    [GeneratedRegex(@"^[0-9a-z-]{7,32}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NameForm();

    [GeneratedRegex(@"^[0-9A-Za-z](?:[0-9A-Za-z._-]{0,251}[0-9A-Za-z])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex HostForm();

    [GeneratedRegex(@"^[0-9A-Fa-f:.]{2,45}(?:%[0-9A-Za-z._-]{1,15})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Ipv6Form();
}

using System.Globalization;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>
/// What a rule opens: <c>22</c> (TCP and UDP), <c>80/tcp</c>, <c>53/udp</c>, a range <c>8000-8010/tcp</c>, or <c>all</c>
/// (every port, every protocol, pings).
/// </summary>
/// <param name="Protocol"><see cref="IpProtocol.Tcp"/>, <see cref="IpProtocol.Udp"/>, or 0 for both.</param>
/// <param name="First">First port; 0 stands for everything.</param>
/// <param name="Last">Last port.</param>
public readonly record struct PublishPort(byte Protocol, ushort First, ushort Last)
{
    /// <summary>Everything.</summary>
    public static PublishPort All => default;

    /// <summary>Whether this is <see cref="All"/>.</summary>
    public bool IsAll => First == 0;

    /// <summary>Reads the grammar above, in lower case.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PublishPort port)
    {
        text = text.Trim();
        port = default;
        if (text is "all")
        {
            return true;
        }

        byte protocol = 0;
        int slash = text.IndexOf('/');
        if (slash >= 0)
        {
            protocol = text[(slash + 1)..] switch
            {
                "tcp" => IpProtocol.Tcp,
                "udp" => IpProtocol.Udp,
                _ => 0,
            };
            if (protocol == 0)
            {
                return false;
            }

            text = text[..slash];
        }

        int dash = text.IndexOf('-');
        ReadOnlySpan<char> first = dash < 0 ? text : text[..dash];
        ReadOnlySpan<char> last = dash < 0 ? text : text[(dash + 1)..];
        if (!TryParseNumber(first, out ushort from) || !TryParseNumber(last, out ushort to) || from > to)
        {
            return false;
        }

        port = new PublishPort(protocol, from, to);
        return true;
    }

    /// <summary>Whether a packet to this protocol and port is meant. Protocols without ports match <see cref="All"/> only.</summary>
    public bool Covers(byte protocol, bool hasPorts, ushort port)
    {
        return IsAll
            || (hasPorts && port >= First && port <= Last && (Protocol == 0 || Protocol == protocol));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (IsAll)
        {
            return "all";
        }

        string ports = First == Last
            ? First.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");
        return Protocol switch
        {
            IpProtocol.Tcp => ports + "/tcp",
            IpProtocol.Udp => ports + "/udp",
            _ => ports,
        };
    }

    private static bool TryParseNumber(ReadOnlySpan<char> text, out ushort port)
    {
        return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port != 0;
    }
}

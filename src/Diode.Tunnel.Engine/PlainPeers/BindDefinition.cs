using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// A local port that leads to a port of another device: <c>local:to:port[:tls|tcp|udp]</c> (diode-client §13.2).
/// </summary>
/// <param name="Local">Port on this machine's loopback address; 0 = the system chooses (<c>auto</c>).</param>
/// <param name="To">The device: address, label, or a name.</param>
/// <param name="Port">Its port.</param>
/// <param name="Protocol">How it is opened; never <see cref="PortProtocol.Any"/>.</param>
public sealed partial record BindDefinition(ushort Local, string To, ushort Port, PortProtocol Protocol)
{
    /// <summary>Reads the form above; <c>auto</c> and <c>0</c> let the system choose, the protocol is <c>tls</c> if not named.</summary>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out BindDefinition? bind, [NotNullWhen(false)] out string? problem)
    {
        bind = null;
        string[] parts = (text ?? "").Trim().Split(':');
        if (parts.Length is < 3 or > 4)
        {
            problem = $"bind format expected <local_port>:<to_address>:<to_port>:(udp|tcp|tls) but got: {text}";
            return false;
        }

        ushort local = 0;
        if (parts[0] is not ("auto" or "0") && (!TryParseNumber(parts[0], out local) || local == 0))
        {
            problem = $"local port should be a number from 1 to 65535 or auto but is: {parts[0]}";
            return false;
        }

        if (!DeviceForm().IsMatch(parts[1]))
        {
            problem = $"device should be an address or a name but is: {parts[1]}";
            return false;
        }

        if (!TryParseNumber(parts[2], out ushort port) || port == 0)
        {
            problem = $"port should be a number from 1 to 65535 but is: {parts[2]}";
            return false;
        }

        PortProtocol? protocol = parts.Length == 3 ? PortProtocol.Tls : parts[3] switch
        {
            "tls" => PortProtocol.Tls,
            "tcp" => PortProtocol.Tcp,
            "udp" => PortProtocol.Udp,
            _ => null,
        };
        if (protocol is not { } known)
        {
            problem = $"protocol should be tls, tcp or udp but is: {parts[3]}";
            return false;
        }

        bind = new BindDefinition(local, parts[1].ToLowerInvariant(), port, known);
        problem = null;
        return true;
    }

    /// <summary>The form <see cref="TryParse"/> reads.</summary>
    public override string ToString()
    {
        string local = Local == 0 ? "auto" : Local.ToString(CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"{local}:{To}:{Port}:{Protocol.ToString().ToLowerInvariant()}");
    }

    private static bool TryParseNumber(string text, out ushort number)
    {
        return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    [GeneratedRegex(@"^(?:0x[A-Fa-f0-9]{40}|[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)\z", RegexOptions.CultureInvariant)]
    private static partial Regex DeviceForm();
}

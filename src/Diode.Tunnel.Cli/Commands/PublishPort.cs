using System.CommandLine;
using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>PORT[/PROTOCOL]</c> or <c>--all</c>, shared by publish and its opposite.</summary>
internal static class PublishPort
{
    internal static Argument<string?> Argument() => new("PORT")
    {
        Description = "Port with an optional protocol: 22, 80/tcp, 53/udp.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    internal static Option<bool> All() => new("--all") { Description = "Every port and protocol." };

    /// <summary>The port (null = all) and protocol (both if none is named).</summary>
    internal static (int? Port, PublishProtocol Protocol) Read(string? text, bool all)
    {
        if (all == text is not null)
        {
            throw new UsageException(
                all ? "A port and --all exclude each other." : "Name a port, or --all.",
                "For example: diode-tunnel publish 22 --to fleet");
        }

        if (text is null)
        {
            return (null, PublishProtocol.Any);
        }

        string[] parts = text.Split('/');
        PublishProtocol? protocol = parts switch
        {
            [_] => PublishProtocol.Any,
            [_, var name] when name.Equals("tcp", StringComparison.OrdinalIgnoreCase) => PublishProtocol.Tcp,
            [_, var name] when name.Equals("udp", StringComparison.OrdinalIgnoreCase) => PublishProtocol.Udp,
            _ => null,
        };
        bool number = int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int port);
        return number && port is > 0 and <= 65535 && protocol is PublishProtocol known
            ? (port, known)
            : throw new UsageException($"'{text}' is not a port.", "For example 22, 80/tcp or 53/udp.");
    }
}

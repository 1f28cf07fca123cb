using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Publish rules as a table.</summary>
internal static class PublishText
{
    internal static TextTable Rules(IEnumerable<PublishRule> rules)
    {
        var table = new TextTable("PORT", "PROTOCOL", "TO");
        foreach (PublishRule rule in rules)
        {
            table.Add(
                rule.Port?.ToString(CultureInfo.InvariantCulture) ?? "all", Format.Word(rule.Protocol), string.Join(',', rule.To));
        }

        return table;
    }
}

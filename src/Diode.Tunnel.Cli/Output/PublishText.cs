using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Publish rules as a table.</summary>
internal static class PublishText
{
    internal static TextTable Rules(IEnumerable<PublishRule> rules)
    {
        var table = new TextTable("PORT", "PROTOCOL", "TO", "SERVICE", "REACHED-BY", "SET-BY");
        foreach (PublishRule rule in rules)
        {
            table.Add(
                rule.Port?.ToString(CultureInfo.InvariantCulture) ?? "all", Format.Word(rule.Protocol), string.Join(',', rule.To),
                rule.Target ?? "this device",
                string.Join(',', rule.InTunnel ? rule.Plain.Prepend("tunnel") : rule.Plain),
                SetBy(rule.ByPerimeter));
        }

        return table;
    }

    /// <summary>Who has set it.</summary>
    internal static string SetBy(bool byPerimeter) => byPerimeter ? "perimeter" : "you";

    /// <summary>What the user should know of ports whose openers prove nothing; null if there are none.</summary>
    internal static string? ClearTextNote(IEnumerable<PublishRule> rules)
    {
        PublishRule? open = rules.FirstOrDefault(
            static rule => rule.Mode is PublishMode.Protected or PublishMode.Private && (rule.Plain.Contains("tcp") || rule.Plain.Contains("udp")));
        return open is null ? null
            : $"Note: port {open.Port} may also be opened in clear text (tcp, udp); then a relay says who opens it and can read it. "
                + "To ask for proof write the protocol: PORT:NUMBER:tls";
    }
}

using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Fleets and members as tables.</summary>
internal static class FleetText
{
    internal static TextTable Summaries(IEnumerable<FleetSummary> fleets)
    {
        var table = new TextTable("FLEET", "OPERATOR", "VERSION", "EXPIRES", "MEMBERS", "THIS-DEVICE", "ASSURANCE");
        foreach (FleetSummary fleet in fleets)
        {
            table.Add(
                fleet.Name,
                fleet.Operator,
                fleet.Version.ToString(CultureInfo.InvariantCulture),
                Format.Moment(fleet.Expires) ?? "never",
                fleet.MemberCount.ToString(CultureInfo.InvariantCulture),
                (fleet.Member, fleet.Operated) switch
                {
                    (true, true) => "member,operator",
                    (true, false) => "member",
                    (false, true) => "operator",
                    _ => null,
                },
                fleet.Assurance);
        }

        return table;
    }

    internal static TextTable Members(IEnumerable<FleetDetails> fleets)
    {
        var table = new TextTable("FLEET", "LABEL", "DEVICE", "IPV4", "IPV6", "ROLES");
        foreach (FleetDetails fleet in fleets)
        {
            foreach (FleetMember member in fleet.Members)
            {
                table.Add(fleet.Name, member.Label, member.Device, member.Ipv4, member.Ipv6, string.Join(',', member.Roles));
            }
        }

        return table;
    }

    internal static string Line(FleetSummary fleet) =>
        string.Create(CultureInfo.InvariantCulture, $"{fleet.Name}: version {fleet.Version}, {fleet.MemberCount} members, ")
        + $"operator {fleet.Operator}, valid until {Format.Moment(fleet.Expires) ?? "further notice"}";
}

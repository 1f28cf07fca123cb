using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>A perimeter as text.</summary>
internal static class PerimeterText
{
    /// <summary>One line: which, in force or not, and how old.</summary>
    internal static string Summary(PerimeterStatus perimeter, DateTimeOffset now)
    {
        string state = perimeter switch
        {
            { Registered: false } => "does not know this device",
            { InForce: false } => "not in force, too old",
            { Problem: not null } => "in force, can't be read now",
            _ => "in force",
        };
        return $"{perimeter.Chain}:{perimeter.Contract}, {state}, verified {Format.Ago(perimeter.Verified, now) ?? "never"}";
    }

    internal static void Write(PerimeterStatus perimeter, CliRun run, DateTimeOffset now)
    {
        Line(run, "perimeter", Summary(perimeter, now));
        if (perimeter.Effective != perimeter.Contract)
        {
            Line(run, "decides", perimeter.Effective);
        }

        Line(run, "known by", perimeter.Assurance);
        Line(run, "problem", perimeter.Problem);
        Line(run, "fleet", perimeter.Fleet);
        Line(run, "key there", perimeter.WireGuardKey);
        var table = new TextTable("PROPERTY", "VALUE");
        foreach (PerimeterProperty property in perimeter.Properties)
        {
            table.Add(property.Key, property.Value);
        }

        Section(run, table);
        table = new TextTable("NOT IN FORCE");
        foreach (string warning in perimeter.Warnings)
        {
            table.Add(warning);
        }

        Section(run, table);
    }

    private static void Line(CliRun run, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            run.Out.WriteLine($"{name,-10}{SafeText.Of(value)}");
        }
    }

    private static void Section(CliRun run, TextTable table)
    {
        if (!table.IsEmpty)
        {
            run.Out.WriteLine();
            run.Table(table);
        }
    }
}

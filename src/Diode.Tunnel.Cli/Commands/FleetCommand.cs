using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet</c>: who belongs together.</summary>
internal static class FleetCommand
{
    internal static Command Create(CliShell shell) => new("fleet", "Fleets: the devices that reach each other.")
    {
        ListFleetsCommand.Create(shell),
        ListMembersCommand.Create(shell),
        CreateFleetCommand.Create(shell),
        AddMemberCommand.Create(shell),
        RemoveMemberCommand.Create(shell),
        TransferFleetCommand.Create(shell),
        JoinFleetCommand.Create(shell),
        LeaveFleetCommand.Create(shell),
        ExportFleetCommand.Create(shell),
        VerifyFleetCommand.Create(shell),
    };

    /// <summary><c>--fleet NAME</c>, optional where there is only one.</summary>
    internal static Option<string?> FleetOption() => new("--fleet")
    {
        Description = "Name or operator address of the fleet, or its contract: 0x… or CHAIN:0x…; not needed if there is only one.",
        HelpName = "FLEET",
    };

    /// <summary>What a fleet is joined or verified by.</summary>
    internal const string SourceDescription =
        "The signed manifest (- reads standard input), the address of a fleet contract (0x… or CHAIN:0x…), or a name of a chain whose "
        + "destinations are the members (NAME.diode or CHAIN:NAME.diode).";

    /// <summary>
    /// Whether a fleet is that of a contract: by its address as a contract (<c>CHAIN:0x…</c>), or because this device holds it as one. An
    /// address alone may also be the operator of a manifest.
    /// </summary>
    internal static async Task<bool> IsContractAsync(CliRun run, string? fleet, CancellationToken cancellationToken)
    {
        if (fleet is not null && fleet.Contains(':', StringComparison.Ordinal))
        {
            return true;
        }

        FleetList list = await run.Client.ListFleetsAsync(cancellationToken);
        FleetDetails[] held = [.. list.Fleets.Where(f => fleet is null || f.Name == fleet || string.Equals(f.Operator, fleet, StringComparison.OrdinalIgnoreCase))];
        return fleet is null
            ? held is [{ Chain: not null }]
            : held.Length == 0 ? IsAddress(fleet) : held[0].Chain is not null;
    }

    private static bool IsAddress(string text) => text.Length == 42 && text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
        && text[2..].All(char.IsAsciiHexDigit);

    // A file that ends like a name is told from one by its folder: ./NAME.diode.
    private static bool IsName(string text) =>
        text.EndsWith(".diode", StringComparison.OrdinalIgnoreCase) && !text.Contains('/', StringComparison.Ordinal) && !text.Contains('\\', StringComparison.Ordinal);

    /// <summary>The address of a contract, or a name, as it is, with a name for it; anything else names a file, whose text is returned.</summary>
    internal static async Task<ManifestRequest> ReadSourceAsync(string source, string? name, CancellationToken cancellationToken)
    {
        return IsAddress(source[(source.IndexOf(':', StringComparison.Ordinal) + 1)..]) || IsName(source)
            ? new ManifestRequest { Document = name is null ? source : $"{source} {name}" }
            : await ManifestFile.ReadAsync(source, cancellationToken);
    }

    /// <summary>Shows the fleet after a change.</summary>
    internal static int Show(CliRun run, FleetResult result)
    {
        run.Show(result, json => json.FleetResult, writer =>
            writer.WriteLine(Output.SafeText.Of(Output.FleetText.Line(result.Fleet))));
        return CliExitCodes.Ok;
    }
}

using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit offer</c>: lets fleet members send their traffic out here.</summary>
internal static class OfferExitCommand
{
    internal static Command Create(CliShell shell)
    {
        var region = new Option<string>("--region")
        {
            Description = "Where this device is, two letters (ISO 3166).",
            HelpName = "XX",
            Required = true,
        };
        Option<string> ipv4 = Family("--ipv4", "IPv4");
        Option<string> ipv6 = Family("--ipv6", "IPv6");
        var command = new Command("offer", "Let others send their traffic out through this device.") { region, ipv4, ipv6 };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            var request = new OfferExitRequest
            {
                Region = parsed.GetRequiredValue(region),
                Ipv4 = Read(parsed.GetValue(ipv4)),
                Ipv6 = Read(parsed.GetValue(ipv6)),
            };
            ExitList exits = await run.Client.OfferExitAsync(request, cancellationToken);
            run.Show(exits, json => json.ExitList, writer => writer.WriteLine(
                exits.Exit.Offering is OfferedExit offer ? "offering " + SafeText.Of(ExitText.Offering(offer)) : "offering nothing"));
            return CliExitCodes.Ok;
        });
    }

    private static Option<string> Family(string name, string family)
    {
        var option = new Option<string>(name)
        {
            Description = $"Carry {family} (default auto: if this machine has it).",
            HelpName = "auto|on|off",
            DefaultValueFactory = _ => "auto",
        };
        option.AcceptOnlyFromAmong("auto", "on", "off");
        return option;
    }

    private static bool? Read(string? text) => text switch
    {
        "on" => true,
        "off" => false,
        _ => null,
    };
}

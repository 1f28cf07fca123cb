using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Exits as text.</summary>
internal static class ExitText
{
    internal static void Write(ExitStatus exit, CliTerminal terminal)
    {
        terminal.Out.WriteLine($"{"exit",-10}{SafeText.Of(StatusText.Exit(exit))}");
        if (exit.Offering is OfferedExit offering)
        {
            terminal.Out.WriteLine($"{"offering",-10}{SafeText.Of(Offering(offering))}");
        }

        TextTable offers = Offers(exit.Offers);
        terminal.Out.WriteLine();
        if (offers.IsEmpty)
        {
            terminal.Out.WriteLine("Nobody offers an exit to this device.");
        }
        else
        {
            offers.Write(terminal);
        }
    }

    internal static string Offering(OfferedExit offer) => string.Create(
        CultureInfo.InvariantCulture,
        $"{offer.Region}, {Families(offer.Ipv4, offer.Ipv6)}, {offer.Clients} clients, {Format.Bytes(offer.Bytes)} carried");

    private static TextTable Offers(IEnumerable<ExitOffer> offers)
    {
        var table = new TextTable("REGION", "NAME", "DEVICE", "FAMILIES", "RTT", "STATE", "USE", "ASSURANCE");
        foreach (ExitOffer offer in offers)
        {
            table.Add(
                offer.Region,
                offer.Label,
                offer.Device,
                Families(offer.Ipv4, offer.Ipv6),
                Format.Milliseconds(offer.RttMs),
                offer.Online ? "online" : "offline",
                offer.InUse ? "in-use" : null,
                offer.Assurance);
        }

        return table;
    }

    private static string Families(bool ipv4, bool ipv6) => (ipv4, ipv6) switch
    {
        (true, true) => "ipv4+ipv6",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        _ => "none",
    };
}

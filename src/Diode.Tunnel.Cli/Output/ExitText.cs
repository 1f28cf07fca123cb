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

    /// <summary>What the exit directories list, apart from the exits that can be used: anybody gets into a directory.</summary>
    internal static void WriteCommunity(ExitList exits, CliTerminal terminal)
    {
        foreach (string problem in exits.CommunityProblems)
        {
            terminal.Out.WriteLine(SafeText.Of(problem));
        }

        if (exits.Community.Count == 0)
        {
            return;
        }

        terminal.Out.WriteLine();
        terminal.Out.WriteLine("Listed by the community (its owner says so; nobody vouches for it):");
        var table = new TextTable("REGION", "DEVICE", "FAMILIES", "UNTIL", "USE", "POLICY", "ASSURANCE");
        foreach (ListedExit exit in exits.Community)
        {
            table.Add(
                exit.Region,
                exit.Device,
                Families(exit.Ipv4, exit.Ipv6),
                exit.Expires.ToUniversalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                exit.Usable ? "in a fleet" : "no",
                exit.PolicyUrl,
                exit.Assurance);
        }

        table.Write(terminal);
        if (exits.Community.Any(static e => !e.Usable))
        {
            terminal.Out.WriteLine("USE no: an exit lets in only devices of a fleet with it. Ask its owner to let this device into one: diode-tunnel whoami");
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

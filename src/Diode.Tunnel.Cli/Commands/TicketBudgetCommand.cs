using System.CommandLine;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>ticket budget</c>: the most that relays are paid for in an epoch of 30 days.</summary>
internal static class TicketBudgetCommand
{
    private const string Off = "off";

    internal static Command Create(CliShell shell)
    {
        var size = new Argument<string>("SIZE") { Description = $"Most bytes in 30 days: {ByteSize.Rule}, or off." };
        var perRelay = new Option<bool>("--per-relay") { Description = "At each relay instead of at all together." };
        var command = new Command("budget", "Limit what relays are paid for. At the limit they are not paid and end their sessions.")
        {
            size,
            perRelay,
        };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            long bytes = Read(parsed.GetRequiredValue(size));
            bool each = parsed.GetValue(perRelay);
            var request = new TicketBudgetRequest { Bytes = each ? null : bytes, BytesPerRelay = each ? bytes : null };
            return TicketStatusCommand.Show(run, await run.Client.SetTicketBudgetAsync(request, cancellationToken));
        });
    }

    private static long Read(string text)
    {
        if (text == Off)
        {
            return 0;
        }

        return ByteSize.TryParse(text, out long bytes)
            ? bytes
            : throw new UsageException($"'{text}' is not a size.", $"Write {ByteSize.Rule}, or off.");
    }
}

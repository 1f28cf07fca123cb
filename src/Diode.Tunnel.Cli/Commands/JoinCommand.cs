using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>join</c>: a perimeter, whose operator decides about this device's ports and fleet.</summary>
internal static class JoinCommand
{
    internal static Command Create(CliShell shell)
    {
        var contract = new Argument<string?>("CONTRACT")
        {
            Description = "The perimeter's contract: 0x… or CHAIN:0x….",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var chain = new Option<string?>("--chain")
        {
            Description = "Chain: sapphire, diode, glmr, base, av or an id (default: the only one configured, or sapphire).",
            HelpName = "CHAIN",
        };
        var command = new Command(
            "join", "Join a perimeter: what its operator sets for this device takes effect, now and later: ports, binds, fleet, relays, a WireGuard interface.")
        {
            contract,
            chain,
            shell.Handle(
                new Command("status", "Show what the perimeter says, how that is known, its WireGuard interface with peers, and what is not in force."),
                async (_, run, cancellationToken) => Show(run, await run.Client.GetPerimeterAsync(cancellationToken))),
        };
        return shell.Handle(command, async (parsed, run, cancellationToken) => Show(run, await run.Client.JoinPerimeterAsync(
            new JoinPerimeterRequest
            {
                Contract = parsed.GetValue(contract)
                    ?? throw new UsageException("Which perimeter?", "For example: diode-tunnel join 0x…, or: diode-tunnel join status"),
                Chain = parsed.GetValue(chain),
            },
            cancellationToken)));
    }

    private static int Show(CliRun run, PerimeterStatus perimeter)
    {
        run.Show(perimeter, json => json.PerimeterStatus, writer =>
        {
            if (!perimeter.Joined)
            {
                writer.WriteLine("This device has joined no perimeter.");
                return;
            }

            PerimeterText.Write(perimeter, run, TimeProvider.System.GetUtcNow());
        });
        return CliExitCodes.Ok;
    }
}

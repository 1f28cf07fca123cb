using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>bns</c>: names on a chain.</summary>
internal static class BnsCommand
{
    internal static Command Create(CliShell shell) => new("bns", "Names that a chain keeps, each for one or several devices.")
    {
        LookUp(shell),
        Register(shell),
        Transfer(shell),
        Reverse(shell),
        Unregister(shell),
    };

    private static Argument<string> NameArgument() => new("NAME") { Description = "The name: 8 to 32 of a-z, 0-9 and '-'." };

    private static Option<string?> Contract() => ChainOptions.ContractOption("Another name service than the chain's usual one.");

    private static Command LookUp(CliShell shell)
    {
        Argument<string> name = NameArgument();
        var chain = new Option<string?>("--chain") { Description = "Chain: diode, glmr, base, sapphire, av or an id.", HelpName = "CHAIN" };
        Option<string?> contract = Contract();
        var command = new Command("lookup", "Show what a name stands for and how that is known (0 taken, 7 free).") { name, chain, contract };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            NameEntry entry = await run.Client.LookUpNameAsync(
                new NameRequest { Name = parsed.GetRequiredValue(name), Chain = parsed.GetValue(chain), Contract = parsed.GetValue(contract) },
                cancellationToken);
            run.Show(entry, json => json.NameEntry, writer =>
            {
                writer.WriteLine(SafeText.Of(entry.Owner is { } owner ? $"{entry.Name} belongs to {owner}" : $"{entry.Name} is free"));
                foreach (string line in entry.Destinations.Concat(entry.Properties))
                {
                    writer.WriteLine("  " + SafeText.Of(line));
                }

                writer.WriteLine(SafeText.Of(entry.Assurance));
            });
            return entry.Owner is null ? CliExitCodes.Negative : CliExitCodes.Ok;
        });
    }

    private static Command Register(CliShell shell)
    {
        Argument<string> name = NameArgument();
        var destinations = new Argument<string[]>("ADDRESS")
        {
            Description = "Devices it stands for (default: this device).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string?> contract = Contract();
        var command = new Command("register", "Take a free name, or change what an own one stands for.") { name, destinations, contract };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string[] given = parsed.GetValue(destinations) ?? [];
            if (given.Length == 0)
            {
                given = [(await run.Client.GetIdentityAsync(cancellationToken)).Device];
            }

            var request = new ChainActionRequest
            {
                Action = ChainActionKind.BnsRegister,
                Name = parsed.GetRequiredValue(name),
                Addresses = given,
                Contract = parsed.GetValue(contract),
            };
            return await chain.ActAsync(parsed, run, request, null, cancellationToken);
        });
    }

    private static Command Transfer(CliShell shell)
    {
        Argument<string> name = NameArgument();
        var owner = new Argument<string>("OWNER") { Description = "Address of the new owner." };
        return One(shell, "transfer", "Give a name to another owner.", ChainActionKind.BnsTransfer, name, owner);
    }

    private static Command Reverse(CliShell shell)
    {
        Argument<string> name = NameArgument();
        var address = new Argument<string>("ADDRESS")
        {
            Description = "What is to be called so; the name has to stand for it (default: this device).",
            Arity = ArgumentArity.ZeroOrOne,
        };
        return One(shell, "reverse", "Call an address by a name that stands for it.", ChainActionKind.BnsReverse, name, address);
    }

    private static Command Unregister(CliShell shell) =>
        One(shell, "unregister", "Give a name back.", ChainActionKind.BnsUnregister, NameArgument(), null);

    private static Command One(
        CliShell shell, string verb, string description, ChainActionKind kind, Argument<string> name, Argument<string>? address)
    {
        Option<string?> contract = Contract();
        var command = new Command(verb, description) { name, contract };
        if (address is not null)
        {
            command.Add(address);
        }

        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string? given = address is null ? null
                : parsed.GetValue(address) ?? (await run.Client.GetIdentityAsync(cancellationToken)).Device;
            var request = new ChainActionRequest
            {
                Action = kind,
                Name = parsed.GetRequiredValue(name),
                Addresses = given is null ? [] : [given],
                Contract = parsed.GetValue(contract),
            };
            return await chain.ActAsync(parsed, run, request, null, cancellationToken);
        });
    }
}

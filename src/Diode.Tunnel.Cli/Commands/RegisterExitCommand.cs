using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit register</c> and <c>exit unregister</c>: the exit directory on a chain.</summary>
internal static class RegisterExitCommand
{
    internal static Command Create(CliShell shell)
    {
        var region = new Option<string>("--region") { Description = "Where the exit is, for example de or us-west.", HelpName = "REGION", Required = true };
        var noIpv4 = new Option<bool>("--no-ipv4") { Description = "It does not carry IPv4." };
        var ipv6 = new Option<bool>("--ipv6") { Description = "It carries IPv6." };
        var policy = new Option<string?>("--policy") { Description = "Address of the page with its policy.", HelpName = "URL" };
        var hours = new Option<int>("--hours") { Description = "How long it is listed, at most 720 (default 168).", DefaultValueFactory = static _ => 168 };
        Option<string?> contract = Directory();
        var command = new Command("register", "List the signer as an exit in a directory on a chain, or renew that.") { region, noIpv4, ipv6, policy, hours, contract };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, (parsed, run, cancellationToken) => chain.ActAsync(
            parsed,
            run,
            new ChainActionRequest
            {
                Action = ChainActionKind.ExitRegister,
                Contract = parsed.GetValue(contract),
                Region = parsed.GetRequiredValue(region),
                Ipv4 = !parsed.GetValue(noIpv4),
                Ipv6 = parsed.GetValue(ipv6),
                PolicyUrl = parsed.GetValue(policy),
                Hours = parsed.GetValue(hours),
            },
            static done => $"{done.From} is listed; to let others in: diode-tunnel exit offer",
            cancellationToken));
    }

    internal static Command CreateUnregister(CliShell shell)
    {
        Option<string?> contract = Directory();
        var command = new Command("unregister", "Take the signer's entry out of a directory on a chain.") { contract };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, (parsed, run, cancellationToken) => chain.ActAsync(
            parsed, run, new ChainActionRequest { Action = ChainActionKind.ExitUnregister, Contract = parsed.GetValue(contract) }, null, cancellationToken));
    }

    private static Option<string?> Directory() => ChainOptions.ContractOption("The exit directory.");
}

using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit use</c>: succeeds only when traffic leaves at the exit.</summary>
internal static class UseExitCommand
{
    internal static Command Create(CliShell shell)
    {
        var target = new Argument<string>("TARGET") { Description = "A region (de), a device, a name, or auto." };
        var lan = new Option<bool>("--allow-lan") { Description = "Keep the local network reachable." };
        var command = new Command("use", "Send all other traffic through an exit; blocked rather than leaked if it fails.")
        {
            target,
            lan,
        };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            var request = new UseExitRequest { Target = parsed.GetRequiredValue(target), AllowLan = parsed.GetValue(lan) };
            ExitList exits = await run.Client.UseExitAsync(request, cancellationToken);
            run.Show(exits, json => json.ExitList, writer =>
                writer.WriteLine("exit " + SafeText.Of(StatusText.Exit(exits.Exit))));
            return exits.Exit.State == ExitState.Connected ? CliExitCodes.Ok : CliExitCodes.Unavailable;
        });
    }
}

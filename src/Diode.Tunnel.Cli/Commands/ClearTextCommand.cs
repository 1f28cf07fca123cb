using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>cleartext</c>: which plain Diode devices may be reached without end-to-end encryption.</summary>
internal static class ClearTextCommand
{
    internal static Command Create(CliShell shell) =>
        new(
            "cleartext",
            "Plain Diode devices are reached with end-to-end TLS only. For a device allowed here, TCP falls back to clear text and UDP, "
                + "which Diode never encrypts, works: the relay can read it.")
        {
            Set(shell, "allow", "Allow clear text to a device.", allow: true),
            Set(shell, "deny", "Forbid it again.", allow: false),
            shell.Handle(
                new Command("list", "Show the devices it is allowed for."),
                async (_, run, cancellationToken) => Show(run, await run.Client.ListClearTextAsync(cancellationToken))),
        };

    private static Command Set(CliShell shell, string name, string description, bool allow)
    {
        var device = new Argument<string>("DEVICE") { Description = "Device address or name." };
        return shell.Handle(new Command(name, description) { device }, async (parsed, run, cancellationToken) =>
            Show(run, await run.Client.SetClearTextAsync(
                new ClearTextRequest { Device = parsed.GetRequiredValue(device) }, allow, cancellationToken)));
    }

    private static int Show(CliRun run, ClearTextList list)
    {
        run.Show(list, json => json.ClearTextList, writer =>
        {
            if (list.Devices.Count == 0)
            {
                writer.WriteLine("No device may be reached in clear text.");
            }

            foreach (string device in list.Devices)
            {
                writer.WriteLine(SafeText.Of(device));
            }
        });
        return CliExitCodes.Ok;
    }
}

using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>publish</c>: lets others reach a port; with <c>list</c> and <c>remove</c>.</summary>
internal static class PublishCommand
{
    internal static Command Create(CliShell shell)
    {
        Argument<string?> port = PublishPort.Argument();
        Option<bool> all = PublishPort.All();
        var to = new Option<string[]>("--to")
        {
            Description = "Who may: fleet, public, a fleet's name, device addresses or names; several with commas.",
            HelpName = "WHO",
        };
        (PublishMode Mode, Option<string[]> Option)[] definitions =
        [
            (PublishMode.Public, Definition("--public", "Open to every Diode device: 8080:80, 192.168.1.5:80:8080:tcp.")),
            (PublishMode.Protected, Definition("--protected", "Open to fleets: 22:22:tls, or 22:22:tls,0xFLEET,name.")),
            (PublishMode.Private, Definition("--private", "Open to devices: 22:22:tls,0xDEVICE,name.")),
        ];
        var command = new Command(
            "publish",
            "Let others reach a port of this device. Nothing is reachable unless published. PORT --to WHO opens it to devices of the tunnel and, "
                + "with end-to-end TLS, to plain Diode devices. The other form is that of the Diode clients: "
                + "[HOST:]PORT[:NUMBER-FOR-OTHERS[:tls|tcp|udp]][,WHO…].")
        {
            port,
            all,
            to,
        };
        foreach ((_, Option<string[]> option) in definitions)
        {
            command.Add(option);
        }

        command.Add(ListPublishCommand.Create(shell));
        command.Add(RemovePublishCommand.Create(shell, "remove"));
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            PublishDefinition[] defined = [.. definitions.SelectMany(d => (parsed.GetValue(d.Option) ?? [])
                .Select(text => new PublishDefinition { Mode = d.Mode, Definition = text }))];
            if (defined.Length > 0)
            {
                if (parsed.GetValue(port) is not null || parsed.GetValue(all) || parsed.GetValue(to) is { Length: > 0 })
                {
                    throw new UsageException(
                        "Use either PORT --to WHO or --public, --protected, --private.", "For example: diode-tunnel publish --public 8080:80");
                }

                return ListPublishCommand.Show(
                    run, await run.Client.AddPublishAsync(new AddPublishRequest { Definitions = defined }, cancellationToken));
            }

            string[] who = [.. (parsed.GetValue(to) ?? [])
                .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            (int? number, PublishProtocol protocol) = PublishPort.Read(parsed.GetValue(port), parsed.GetValue(all));
            if (who.Length == 0)
            {
                throw new UsageException("Say who may reach it.", "For example: diode-tunnel publish 22 --to fleet");
            }

            PublishList rules = await run.Client.AddPublishAsync(
                new AddPublishRequest { Port = number, All = number is null, Protocol = protocol, To = who },
                cancellationToken);
            return ListPublishCommand.Show(run, rules);
        });
    }

    private static Option<string[]> Definition(string name, string description) =>
        new(name) { Description = description, HelpName = "DEFINITION" };
}

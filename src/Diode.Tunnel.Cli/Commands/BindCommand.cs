using System.CommandLine;
using System.Globalization;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>bind</c>: local ports that lead to ports of other devices.</summary>
internal static class BindCommand
{
    internal static Command Create(CliShell shell) =>
        new("bind", "Local ports that lead to a port of another device, without its virtual address.")
        {
            Add(shell),
            Remove(shell),
            shell.Handle(
                new Command("list", "Show the bound ports."),
                async (_, run, cancellationToken) => Show(run, await run.Client.ListBindsAsync(cancellationToken))),
        };

    private static Command Add(CliShell shell)
    {
        var bind = new Argument<string>("LOCAL:TO:PORT[:PROTOCOL]")
        {
            Description = "Local port or auto; device address or label; port there; tls (default), or in clear text tcp or udp.",
        };
        return shell.Handle(new Command("add", "Bind a local port on 127.0.0.1.") { bind }, async (parsed, run, cancellationToken) =>
            Show(run, await run.Client.AddBindAsync(new AddBindRequest { Bind = parsed.GetRequiredValue(bind) }, cancellationToken)));
    }

    private static Command Remove(CliShell shell)
    {
        var local = new Argument<int>("LOCAL") { Description = "The local port." };
        return shell.Handle(new Command("remove", "Take a bound port back; its connections are cut.") { local }, async (parsed, run, cancellationToken) =>
            Show(run, await run.Client.RemoveBindAsync(new RemoveBindRequest { Local = parsed.GetRequiredValue(local) }, cancellationToken)));
    }

    private static int Show(CliRun run, BindList list)
    {
        run.Show(list, json => json.BindList, writer =>
        {
            if (list.Binds.Count == 0)
            {
                writer.WriteLine("No port is bound.");
                return;
            }

            var table = new TextTable("LOCAL", "TO", "PORT", "PROTOCOL", "SET-BY", "PROBLEM");
            foreach (PortBind bind in list.Binds)
            {
                table.Add(
                    bind.Local == 0 ? "auto" : string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{bind.Local}"),
                    bind.To,
                    bind.Port.ToString(CultureInfo.InvariantCulture),
                    Format.Word(bind.Protocol),
                    PublishText.SetBy(bind.ByPerimeter),
                    bind.Problem);
            }

            run.Table(table);
        });
        return CliExitCodes.Ok;
    }
}

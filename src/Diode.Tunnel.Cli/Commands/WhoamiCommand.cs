using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>whoami</c>: this device's identity.</summary>
internal static class WhoamiCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("whoami", "Show this device's address, tunnel key, virtual IPs, names and your access."),
        async (_, run, cancellationToken) =>
        {
            Identity identity = await run.Client.GetIdentityAsync(cancellationToken);
            run.Show(identity, json => json.Identity, writer =>
            {
                writer.WriteLine($"device    {SafeText.Of(identity.Device)}");
                writer.WriteLine($"key       {SafeText.Of(identity.TunnelKey ?? "-")}");
                writer.WriteLine($"ipv4      {SafeText.Of(identity.VirtualIpv4 ?? "-")}");
                writer.WriteLine($"ipv6      {SafeText.Of(identity.VirtualIpv6 ?? "-")}");
                writer.WriteLine($"names     {SafeText.Of(identity.Names.Count == 0 ? "-" : string.Join(", ", identity.Names))}");
                writer.WriteLine($"access    {(identity.Access == AccessLevel.ReadWrite ? "read-write" : "read-only")}");
            });
            return CliExitCodes.Ok;
        });
}

using System.CommandLine;
using System.Reflection;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>version</c>: of this program and, if it answers, of the daemon.</summary>
internal static class VersionCommand
{
    internal static string Program { get; } =
        (typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? "0.0.0").Split('+')[0];

    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("version", "Show the versions of program and daemon."),
        async (_, run, cancellationToken) =>
        {
            string daemon;
            try
            {
                daemon = (await run.Client.GetStatusAsync(cancellationToken)).Version;
            }
            catch (ControlException e) when (e.Code == ControlErrorCodes.DaemonNotRunning)
            {
                daemon = "not running";
            }

            await run.Out.WriteLineAsync($"diode-tunnel  {Program}");
            await run.Out.WriteLineAsync($"daemon        {SafeText.Of(daemon)}");
            return CliExitCodes.Ok;
        });
}

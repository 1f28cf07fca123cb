using System.CommandLine;
using System.Globalization;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>ping</c>: echoes inside the tunnel, with the path each took.</summary>
internal static class PingCommand
{
    private const int DefaultCount = 4;

    internal static Command Create(CliShell shell)
    {
        var target = new Argument<string>("TARGET") { Description = "Label, name, device address or virtual IP." };
        var count = new Option<int>("--count", "-c")
        {
            Description = $"Number of echoes (default {DefaultCount}, at most {PingRequest.MaxCount}).",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultCount,
        };
        var command = new Command("ping", "Ask a device for an echo through the tunnel; says which path it took.") { target, count };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            int wanted = parsed.GetValue(count);
            if (wanted is < 1 or > PingRequest.MaxCount)
            {
                throw new UsageException($"-c takes 1 to {PingRequest.MaxCount}.", "For example: diode-tunnel ping server -c 3");
            }

            var request = new PingRequest { Target = parsed.GetRequiredValue(target), Count = wanted };
            return await PingAsync(run, request, cancellationToken);
        });
    }

    private static async Task<int> PingAsync(CliRun run, PingRequest request, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        int sent = 0;
        await foreach (PingResult result in run.Client.PingAsync(request, cancellationToken))
        {
            sent++;
            if (result is { Received: true, RttMs: double rtt })
            {
                times.Add(rtt);
            }

            if (run.Json)
            {
                run.ShowLine(result, ControlJson.Default.PingResult);
            }
            else
            {
                await run.Out.WriteLineAsync(SafeText.Of(Line(result)));
            }

            await run.Out.FlushAsync(cancellationToken);
        }

        if (!run.Json)
        {
            await run.Out.WriteLineAsync(Summary(sent, times));
        }

        return times.Count > 0 ? CliExitCodes.Ok : CliExitCodes.Negative;
    }

    private static string Line(PingResult result)
    {
        string who = result.Name is null ? result.Device : $"{result.Name} ({result.Device})";
        string start = string.Create(CultureInfo.InvariantCulture, $"{result.Sequence}: {who} ");
        if (!result.Received)
        {
            return start + "no reply: " + (result.Reason ?? "timed out");
        }

        string via = result.Path.Via is null ? "" : " via " + result.Path.Via;
        return $"{start}{Format.Milliseconds(result.RttMs)} {Format.Word(result.Path.Kind)}{via}";
    }

    private static string Summary(int sent, List<double> times)
    {
        string counts = string.Create(CultureInfo.InvariantCulture, $"{sent} sent, {times.Count} received");
        return times.Count == 0
            ? counts
            : $"{counts}, min/avg/max {Format.Milliseconds(times.Min())}/{Format.Milliseconds(times.Average())}/"
                + Format.Milliseconds(times.Max());
    }
}

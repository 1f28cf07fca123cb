using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>ip</c>: virtual addresses, one per line, for scripts.</summary>
internal static class IpCommand
{
    internal static Command Create(CliShell shell)
    {
        var peer = new Argument<string?>("PEER")
        {
            Description = "Label, name or address of a peer; without it this device.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var four = new Option<bool>("-4") { Description = "Only IPv4." };
        var six = new Option<bool>("-6") { Description = "Only IPv6." };
        var command = new Command("ip", "Print virtual IPs, one per line.") { peer, four, six };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            DaemonStatus status = await run.Client.GetStatusAsync(cancellationToken);
            Identity answer = parsed.GetValue(peer) is string wanted ? OfPeer(status, wanted) : OfThisDevice(status);
            bool only4 = parsed.GetValue(four);
            bool only6 = parsed.GetValue(six);
            run.Show(answer, json => json.Identity, writer =>
            {
                Print(writer, answer.VirtualIpv4, !only6 || only4);
                Print(writer, answer.VirtualIpv6, !only4 || only6);
            });
            return CliExitCodes.Ok;
        });
    }

    private static void Print(TextWriter writer, string? address, bool wanted)
    {
        if (wanted && address is not null)
        {
            writer.WriteLine(SafeText.Of(address));
        }
    }

    private static Identity OfThisDevice(DaemonStatus status) =>
        new() { Device = status.Device, VirtualIpv4 = status.VirtualIpv4, VirtualIpv6 = status.VirtualIpv6 };

    private static Identity OfPeer(DaemonStatus status, string wanted)
    {
        PeerStatus[] found = [.. status.Peers.Where(peer => Matches(peer, wanted)).DistinctBy(peer => peer.Device)];
        return found switch
        {
            [PeerStatus one] => new Identity { Device = one.Device, VirtualIpv4 = one.Ipv4, VirtualIpv6 = one.Ipv6 },
            [] => throw new ControlException(
                ControlErrorCodes.NotFound, $"No peer is called '{wanted}'.", "See them: diode-tunnel status", 404),
            _ => throw new ControlException(
                ControlErrorCodes.Conflict,
                $"Several peers are called '{wanted}'.",
                "Use one of: " + string.Join(", ", found.Select(peer => peer.Name ?? peer.Device)),
                409),
        };
    }

    private static bool Matches(PeerStatus peer, string wanted) =>
        new[] { peer.Device, peer.Label, peer.Name, peer.Ipv4, peer.Ipv6 }
            .Any(known => string.Equals(known, wanted, StringComparison.OrdinalIgnoreCase));
}

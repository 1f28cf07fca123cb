using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>The status as text: the machine first, then one line per relay, fleet, peer, rule and warning.</summary>
internal static class StatusText
{
    internal static void Write(DaemonStatus status, CliTerminal terminal, DateTimeOffset now)
    {
        WriteMachine(status, terminal.Out, now);
        Section("RELAYS", Relays(status), terminal);
        Section("FLEETS", FleetText.Summaries(status.Fleets), terminal);
        Section("PEERS", Peers(status, now), terminal);
        Section("PUBLISHED", PublishText.Rules(status.Publish), terminal);
        Section("HEALTH", Health(status), terminal);
    }

    private static void WriteMachine(DaemonStatus status, TextWriter writer, DateTimeOffset now)
    {
        Line(writer, "state", Because(Format.Word(status.State), status.StateReason));
        if (Format.Ago(status.Since, now) is string since)
        {
            Line(writer, "since", $"{Format.Moment(status.Since)} ({since})");
        }

        Line(writer, "device", status.Device);
        Line(writer, "ipv4", status.VirtualIpv4 ?? "-");
        Line(writer, "ipv6", status.VirtualIpv6 ?? "-");
        Line(writer, "adapter", status.Interface is null ? "-" : $"{status.Interface}, mtu {status.Mtu}");
        string names = status.Dns.Mode == "off" ? "off" : $"{status.Dns.Mode} through {status.Dns.Through ?? "-"}";
        string upstreams = status.Dns.Upstreams.Count == 0 ? "" : $", others from {string.Join(", ", status.Dns.Upstreams)}";
        Line(writer, "names", names + upstreams);
        Line(writer, "exit", Exit(status.Exit));
        if (status.Exit.Offering is OfferedExit offer)
        {
            Line(writer, "offering", ExitText.Offering(offer));
        }

        if (status.Perimeter is PerimeterStatus perimeter)
        {
            Line(writer, "perimeter", PerimeterText.Summary(perimeter, now));
            if (perimeter.WireGuard is PerimeterInterface wireGuard)
            {
                Line(writer, "wireguard", PerimeterText.Summary(wireGuard));
            }
        }

        Line(writer, "version", status.Version);
    }

    internal static string Exit(ExitStatus exit)
    {
        string text = Format.Word(exit.State);
        if (exit.InUse is not null)
        {
            text += $" via {exit.InUse} ({exit.Region ?? "-"})";
        }
        else if (exit.Wanted is not null)
        {
            text += $", wanted {exit.Wanted}";
        }

        return Because(exit.AllowLan ? text + ", local network allowed" : text, exit.Reason);
    }

    private static TextTable Relays(DaemonStatus status)
    {
        var table = new TextTable("RELAY", "STATE", "RTT", "SIGNED-BYTES", "ERROR");
        foreach (RelayStatus relay in status.Relays)
        {
            table.Add(
                relay.Uri,
                Format.Word(relay.State),
                Format.Milliseconds(relay.RttMs),
                relay.Ticket is null ? null : Format.Bytes(relay.Ticket.TotalBytes),
                relay.Error ?? (relay.ForPeers ? "named by a peer" : null));
        }

        return table;
    }

    private static TextTable Peers(DaemonStatus status, DateTimeOffset now)
    {
        var table = new TextTable(
            "NAME", "DEVICE", "IPV4", "IPV6", "STATE", "PATH", "VIA", "RTT", "HANDSHAKE", "RX", "TX", "WHY");
        foreach (PeerStatus peer in status.Peers)
        {
            table.Add(
                peer.Name ?? peer.Label,
                peer.Device,
                peer.Alias ? peer.Ipv4 + "*" : peer.Ipv4,
                peer.Ipv6,
                peer.Online ? "online" : "offline",
                Format.Word(peer.Path.Kind),
                peer.Path.Via ?? peer.Endpoint,
                Format.Milliseconds(peer.Path.RttMs),
                Format.Ago(peer.LastHandshake, now)?.Replace(' ', '-'),
                Format.Bytes(peer.RxBytes),
                Format.Bytes(peer.TxBytes),
                peer.Path.Reason);
        }

        return table;
    }

    private static TextTable Health(DaemonStatus status)
    {
        var table = new TextTable("CODE", "SEVERITY", "WHAT", "FIX");
        foreach (HealthWarning warning in status.Health)
        {
            table.Add(warning.Code, Format.Word(warning.Severity), warning.Text, warning.Fix);
        }

        return table;
    }

    private static string Because(string text, string? reason) => reason is null ? text : $"{text}: {reason}";

    private static void Line(TextWriter writer, string name, string value) =>
        writer.WriteLine($"{name,-10}{SafeText.Of(value)}");

    private static void Section(string title, TextTable table, CliTerminal terminal)
    {
        if (table.IsEmpty)
        {
            return;
        }

        terminal.Out.WriteLine();
        terminal.Out.WriteLine(title);
        table.Write(terminal);
    }
}

using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>A perimeter as text.</summary>
internal static class PerimeterText
{
    /// <summary>One line: which, in force or not, and how old.</summary>
    internal static string Summary(PerimeterStatus perimeter, DateTimeOffset now)
    {
        string state = perimeter switch
        {
            { Registered: false } => "does not know this device",
            { InForce: false } => "not in force, too old",
            { Problem: not null } => "in force, can't be read now",
            _ => "in force",
        };
        return $"{perimeter.Chain}:{perimeter.Contract}, {state}, verified {Format.Ago(perimeter.Verified, now) ?? "never"}";
    }

    internal static void Write(PerimeterStatus perimeter, CliRun run, DateTimeOffset now)
    {
        Line(run, "perimeter", Summary(perimeter, now));
        if (perimeter.Effective != perimeter.Contract)
        {
            Line(run, "decides", perimeter.Effective);
        }

        Line(run, "known by", perimeter.Assurance);
        Line(run, "problem", perimeter.Problem);
        Line(run, "fleet", perimeter.Fleet);
        Line(run, "key there", perimeter.WireGuardKey);
        if (perimeter.WireGuard is PerimeterInterface wireGuard)
        {
            WriteInterface(wireGuard, run, now);
        }

        var table = new TextTable("PROPERTY", "VALUE");
        foreach (PerimeterProperty property in perimeter.Properties)
        {
            table.Add(property.Key, property.Value);
        }

        Section(run, table);
        table = new TextTable("NOT IN FORCE");
        foreach (string warning in perimeter.Warnings)
        {
            table.Add(warning);
        }

        Section(run, table);
    }

    /// <summary>One line: the adapter and what goes over it.</summary>
    internal static string Summary(PerimeterInterface wireGuard)
    {
        string addresses = wireGuard.Addresses.Count == 0 ? "no address" : string.Join(", ", wireGuard.Addresses);
        int met = wireGuard.Peers.Count(static p => p.LastHandshake is not null);
        return $"{wireGuard.Interface}, {addresses}, port {wireGuard.ListenPort}, mtu {wireGuard.Mtu}, {met} of {wireGuard.Peers.Count} peers met";
    }

    private static void WriteInterface(PerimeterInterface wireGuard, CliRun run, DateTimeOffset now)
    {
        Line(run, "wireguard", Summary(wireGuard));
        Line(run, "public", $"{wireGuard.PublicKey} ({wireGuard.KeyOrigin switch { "contract" => "kept by the contract", "own" => "made on this device", _ => "stands in the property" }})");
        Line(run, "routes", string.Join(", ", wireGuard.Routes));
        var table = new TextTable("PEER", "DEVICE", "ENDPOINT", "NETWORKS", "HANDSHAKE", "RX", "TX");
        foreach (PerimeterPeer peer in wireGuard.Peers)
        {
            table.Add(
                peer.PublicKey,
                peer.Device,
                peer.Endpoint is null ? null : peer.Relay is null ? peer.Endpoint : $"{peer.Endpoint} (relay)",
                string.Join(", ", peer.AllowedIps),
                Format.Ago(peer.LastHandshake, now),
                Format.Bytes(peer.RxBytes),
                Format.Bytes(peer.TxBytes));
        }

        Section(run, table);
    }

    private static void Line(CliRun run, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            run.Out.WriteLine($"{name,-10}{SafeText.Of(value)}");
        }
    }

    private static void Section(CliRun run, TextTable table)
    {
        if (!table.IsEmpty)
        {
            run.Out.WriteLine();
            run.Table(table);
        }
    }
}

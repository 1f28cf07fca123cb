using System.Text;
using Diode.Tunnel.Daemon.Configuration;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The help text, from the option tables.</summary>
internal static class Usage
{
    internal static string Text(bool relay) => relay ? Relay() : Device();

    private static string Device()
    {
        var text = new StringBuilder("""
            diode-tunneld: the Diode Tunnel service

            Usage: diode-tunneld [run] [options]     run the device role (what the service does)
                   diode-tunneld relay [options]     run a relay; see diode-tunneld relay --help
                   diode-tunneld reset [options]     undo what a dead daemon left: routes, DNS, firewall
                   diode-tunneld --version


            """);
        Options(text, DaemonOptions.Table, DaemonOptions.DefaultFile);
        text.Append("\nExit codes: 0 stopped as asked, 64 wrong command line, 69 another daemon runs or a part is missing,\n"
            + "70 fault, 71 the system refused something, 77 not root, 78 wrong configuration.\n");
        return text.ToString();
    }

    private static string Relay()
    {
        var text = new StringBuilder("""
            diode-relay: a relay of the Diode network (also: diode-tunneld relay)

            Usage: diode-relay [options]


            """);
        Options(text, RelayRoleOptions.Table, RelayRoleOptions.DefaultFile);
        text.Append("""

            Plain Diode clients ask their relay for the newest block before they hand in a ticket, and a relay cuts who hands in none
            after 20 seconds. Elixir clients need --chain glmr=URL (a JSON-RPC endpoint of Moonbeam), Go clients --chain diode=URL
            (one of the Diode L1). Devices of Diode Tunnel need neither.

            """);
        return text.ToString();
    }

    private static void Options<T>(StringBuilder text, OptionTable<T> table, string file)
    {
        text.Append("Options (file key, environment variable; command line beats environment beats file):\n");
        Line(text, "--config FILE", $"Configuration file, JSON (default {file}; {table.ConfigVariable}).");
        foreach (OptionRow<T> row in table.Rows)
        {
            Line(text, $"{row.Flag} {row.Placeholder}", row.Help);
        }
    }

    private static void Line(StringBuilder text, string flag, string help) =>
        text.Append("  ").Append(flag.PadRight(27)).Append(flag.Length > 26 ? " " : "").Append(help).Append('\n');
}

using System.Globalization;

namespace Diode.Tunnel.LoadTool;

/// <summary>The command line.</summary>
internal sealed record LoadOptions
{
    public const string Usage = """
        diode-load: what a relay takes. Starts a relay of its own on one core and prints a table.
          diode-load [MEASURE...] [--relay PROGRAM] [--relay-core N] [--seconds S] [--devices N] [--sessions N] [--size BYTES] [--quick]
          diode-load hold --uri RELAY: prints the number of a UDP port between two devices at a relay that runs, and holds it.
          diode-load exit --uri RELAY --public-key KEY: opens the relay's WireGuard exit for a key (base64), prints what the relay says, and holds it.
        MEASURE: handshakes sessions idle portsend echo udp tcp unwindowed (default: all).
        Run it by scripts/load.sh, which builds the relay and binds this program to another core.
        """;

    public static readonly string[] AllMeasures =
        ["handshakes", "sessions", "idle", "portsend", "echo", "udp", "tcp", "unwindowed"];

    public IReadOnlyList<string> Measures { get; init; } = AllMeasures;

    /// <summary>The program <c>diode-tunneld</c>.</summary>
    public string Relay { get; init; } = "diode-tunneld";

    /// <summary>Core of the relay, as taskset takes it.</summary>
    public string RelayCore { get; init; } = "0";

    /// <summary>Length of one measurement.</summary>
    public double Seconds { get; init; } = 4;

    /// <summary>Idle devices.</summary>
    public int Devices { get; init; } = 10_000;

    /// <summary>Sessions and handshakes of one measurement.</summary>
    public int Sessions { get; init; } = 1500;

    /// <summary>The one size to measure with; null for all.</summary>
    public int? Size { get; init; }

    /// <summary>Load before a measurement begins: the relay is compiled while it runs.</summary>
    public double WarmUpSeconds { get; init; } = 2;

    public static LoadOptions Parse(string[] arguments)
    {
        var options = new LoadOptions();
        List<string> measures = [];
        for (int at = 0; at < arguments.Length; at++)
        {
            string name = arguments[at];
            if (!name.StartsWith('-'))
            {
                measures.Add(AllMeasures.Contains(name) ? name : throw new FormatException($"unknown measure {name}\n{Usage}"));
                continue;
            }

            if (name == "--quick")
            {
                options = options with { Seconds = 1, WarmUpSeconds = 0.5, Devices = 500, Sessions = 200 };
                continue;
            }

            string value = ++at < arguments.Length ? arguments[at] : throw new FormatException($"{name} needs a value\n{Usage}");
            options = name switch
            {
                "--relay" => options with { Relay = value },
                "--relay-core" => options with { RelayCore = value },
                "--seconds" => options with { Seconds = double.Parse(value, CultureInfo.InvariantCulture) },
                "--devices" => options with { Devices = int.Parse(value, CultureInfo.InvariantCulture) },
                "--sessions" => options with { Sessions = int.Parse(value, CultureInfo.InvariantCulture) },
                "--size" => options with { Size = int.Parse(value, CultureInfo.InvariantCulture) },
                _ => throw new FormatException($"unknown option {name}\n{Usage}"),
            };
        }

        return measures.Count == 0 ? options : options with { Measures = measures };
    }
}

using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.LoadTool;
using Diode.Tunnel.LoadTool.Measures;
using Diode.Tunnel.Platform.Tls;

try
{
    // The generator's side of a handshake costs as much as the relay's.
    _ = TlsAcceleration.IsEnabled;
    if (args is ["hold", "--uri", string uri])
    {
        Holding.Run(RelayUri.Parse(uri));
        return 0;
    }

    if (args is ["exit", "--uri", string exit, "--public-key", string key])
    {
        Holding.RunExit(RelayUri.Parse(exit), Convert.FromBase64String(key));
        return 0;
    }

    LoadOptions options = LoadOptions.Parse(args);
    Console.WriteLine($"load of the machine before: {File.ReadAllText("/proc/loadavg").Trim()}");
    Console.WriteLine("| measure | Elixir relay | target | ours | |");
    Console.WriteLine("|---|---|---|---|---|");
    bool all = true;
    foreach (string name in options.Measures)
    {
        foreach (Measurement row in Run(name, options))
        {
            string mark = row.Holds switch { true => "✓", false => "✗", null => "" };
            Console.WriteLine($"| {row.Name} | {row.Reference} | {row.Target} | {row.Value} | {mark} |");
            all &= row.Holds != false;
        }
    }

    Console.WriteLine($"load of the machine after: {File.ReadAllText("/proc/loadavg").Trim()}");
    return all ? 0 : 1;
}
catch (Exception exception) when (exception is FormatException or IOException or System.Net.Sockets.SocketException)
{
    Console.Error.WriteLine($"diode-load: {exception.Message}");
    return 2;
}

static IEnumerable<Measurement> Run(string measure, LoadOptions options) => measure switch
{
    "handshakes" => SessionMeasure.Run(options, withTicket: false),
    "sessions" => SessionMeasure.Run(options, withTicket: true),
    "idle" => IdleMeasure.Run(options),
    "portsend" => PortSendMeasure.Run(options),
    "echo" => EchoMeasure.Run(options),
    "udp" => UdpMeasure.Run(options),
    "tcp" => TcpMeasure.Run(options),
    _ => UnwindowedMeasure.Run(options),
};

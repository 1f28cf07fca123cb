using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Testing.Plain;

// A plain Diode device as a program, for tests in network namespaces:
//   plain-device RELAY-URI [--key HEX] [--serve NAME=PORT]... [--forward LOCAL=DEVICE/NAME]...
// NAME is tls:80, tcp:80, udp:53 or raw:0050 (hexadecimal bytes). --serve admits NAME and leads to 127.0.0.1:PORT;
// --forward listens on 127.0.0.1:LOCAL and opens NAME at DEVICE for each connection (for udp: for the first sender).
// Prints "device 0x…", "ready", "opened NAME by DEVICE", "refused NAME: REASON", "closed NAME".
if (args.Length == 0 || !RelayUri.TryParse(args[0], out RelayUri? relay))
{
    await Console.Error.WriteLineAsync("usage: plain-device RELAY-URI [--key HEX] [--serve NAME=PORT]... [--forward LOCAL=DEVICE/NAME]...");
    return 64;
}

PrivateKey? key = null;
var served = new ConcurrentDictionary<string, int>();
var forwards = new List<(int Local, Address Device, byte[] Name)>();
for (int i = 1; i + 1 < args.Length; i += 2)
{
    string[] parts = args[i + 1].Split('=');
    switch (args[i])
    {
        case "--key":
            PrivateKey.TryFromBytes(Convert.FromHexString(args[i + 1]), out key);
            break;
        case "--serve":
            served[Encoding.Latin1.GetString(ReadName(parts[0]))] = int.Parse(parts[1], CultureInfo.InvariantCulture);
            break;
        default:
            string[] target = parts[1].Split('/');
            forwards.Add((int.Parse(parts[0], CultureInfo.InvariantCulture), Address.Parse(target[0]), ReadName(target[1])));
            break;
    }
}

PlainDevice? self = null;
await using PlainDevice device = await PlainDevice.ConnectAsync(
    relay,
    key,
    (name, _) => served.ContainsKey(name) ? null : "port was not published",
    port => _ = Task.Run(() => ServeAsync(port)));
self = device;
Console.WriteLine($"device {device.Address}");
foreach ((int local, Address to, byte[] name) in forwards)
{
    _ = name.AsSpan().StartsWith("udp:"u8) ? ForwardDatagramsAsync(local, to, name) : ForwardAsync(local, to, name);
}

Console.WriteLine("ready");
Console.WriteLine("ended: " + await device.Ended);
return 1;

async Task ServeAsync(PlainPort port)
{
    Console.WriteLine($"opened {Show(port.Name)} by {port.Device}");
    bool datagrams = port.Name.StartsWith("udp:", StringComparison.Ordinal);
    var socket = new Socket(AddressFamily.InterNetwork, datagrams ? SocketType.Dgram : SocketType.Stream, datagrams ? ProtocolType.Udp : ProtocolType.Tcp);
    try
    {
        await socket.ConnectAsync(IPAddress.Loopback, served[port.Name]);
        await (datagrams ? PlainCoupling.DatagramsAsync(port, socket) : PlainCoupling.StreamAsync(self!, port, socket, isOpener: false));
    }
    catch (SocketException e)
    {
        Console.WriteLine($"failed {Show(port.Name)}: {e.Message}");
        await port.CloseAsync();
    }

    Console.WriteLine($"closed {Show(port.Name)}");
}

async Task ForwardAsync(int local, Address to, byte[] name)
{
    using var listener = new TcpListener(IPAddress.Loopback, local);
    listener.Start();
    while (true)
    {
        Socket socket = await listener.AcceptSocketAsync();
        _ = Task.Run(async () =>
        {
            try
            {
                PlainPort port = await device.OpenAsync(to, name);
                await PlainCoupling.StreamAsync(device, port, socket, isOpener: true);
                Console.WriteLine($"closed {Show(port.Name)}");
            }
            catch (IOException e)
            {
                Console.WriteLine($"refused {Show(Encoding.Latin1.GetString(name))}: {e.Message}");
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }
        });
    }
}

async Task ForwardDatagramsAsync(int local, Address to, byte[] name)
{
    using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    socket.Bind(new IPEndPoint(IPAddress.Loopback, local));
    byte[] first = new byte[65_535];
    SocketReceiveFromResult from = await socket.ReceiveFromAsync(first, new IPEndPoint(IPAddress.Any, 0));
    await socket.ConnectAsync(from.RemoteEndPoint);
    try
    {
        PlainPort port = await device.OpenAsync(to, name);
        byte[] framed = new byte[4 + from.ReceivedBytes];
        Diode.Tunnel.Edge.Framing.DatagramStreamWriter.Write(framed, first.AsSpan(0, from.ReceivedBytes));
        await port.SendAsync(framed);
        await PlainCoupling.DatagramsAsync(port, socket);
    }
    catch (IOException e)
    {
        Console.WriteLine($"refused {Show(Encoding.Latin1.GetString(name))}: {e.Message}");
    }
}

static byte[] ReadName(string text) =>
    text.StartsWith("raw:", StringComparison.Ordinal) ? Convert.FromHexString(text[4..]) : Encoding.ASCII.GetBytes(text);

static string Show(string name) =>
    name.Contains(':', StringComparison.Ordinal) ? name : "raw:" + Convert.ToHexStringLower(Encoding.Latin1.GetBytes(name));

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>JSON-RPC, WebSocket and metrics of a relay process, asked by curl and a WebSocket client.</summary>
public sealed class RpcProcessTests : IDisposable
{
    private const long EpochSeconds = 2_592_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("diode-relay-").FullName;
    private readonly int _port = FindPort();
    private readonly int _securePort = FindPort();
    private readonly int _metricsPort = FindPort();

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Serves_curl_and_WebSockets_beside_devices()
    {
        string certificate = WriteCertificate();
        using var relay = new RelayProcess(
            _folder, 0, "--rpc-listen", $"127.0.0.1:{_port}", "--rpc-secure-listen", $"127.0.0.1:{_securePort}",
            "--rpc-certificate", certificate, "--metrics-listen", $"127.0.0.1:{_metricsPort}");

        string[] post = ["-H", "Content-Type: application/json", "-d"];
        string answer = Curl([.. post, """{"jsonrpc":"2.0","id":1,"method":"eth_coinbase","params":[]}""", $"http://127.0.0.1:{_port}/"]);
        Assert.Equal($$"""{"result":"{{relay.Uri.Address}}","jsonrpc":"2.0","id":1}""", answer);
        answer = Curl(["--cacert", certificate, .. post, """[{"id":1,"method":"net_listening"},{"id":2,"method":"nope"}]""", $"https://localhost:{_securePort}/"]);
        Assert.Equal("""[{"result":true,"jsonrpc":"2.0","id":1},{"error":"Unsupported method","jsonrpc":"2.0","id":2}]""", answer);
        Assert.Equal("413", Curl(["-o", "/dev/null", "-w", "%{http_code}", "-d", "@-", $"http://127.0.0.1:{_port}/"], new string('x', 2 << 20)));
        Assert.Equal("503", Curl(["-o", "/dev/null", "-w", "%{http_code}", .. post, """{"id":1,"method":"eth_gasPrice","params":[]}""", $"http://127.0.0.1:{_port}/"]));
        Assert.Contains("dio_getObject", Curl([$"http://127.0.0.1:{_port}/api"]), StringComparison.Ordinal);

        await using RelayClient device = await RelayClient.ConnectAsync(relay.Uri);
        using PrivateKey own = PrivateKey.Generate();
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{_port}/ws"), default);
        Assert.Contains("not authenticated", await AskAsync(socket, "dio_message", $"[\"{device.Address}\",\"0x6869\"]"), StringComparison.Ordinal);
        Assert.Contains("\"result\":null", await AskAsync(socket, "dio_ticket", $"[\"{WriteTicket(own, relay.Uri.Address)}\"]"), StringComparison.Ordinal);
        Assert.Contains("\"result\":null", await AskAsync(socket, "dio_message", $"[\"{device.Address}\",\"0x6869\"]"), StringComparison.Ordinal);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        Assert.Equal("hi", await device.Messages.ReadAsync(limit.Token));
        await device.SendMessageAsync(own.Address, "ho");
        Assert.Contains("\"payload\":\"0x686f\"", await ReceiveAsync(socket), StringComparison.Ordinal);
        Assert.Contains("wireguard not enabled", await AskAsync(socket, "dio_wireguard_open", $"[\"0x{new string('1', 64)}\"]"), StringComparison.Ordinal);
        Assert.Contains("ticketv2", await AskAsync(socket, "dio_getObject", $"[\"{own.Address}\"]"), StringComparison.Ordinal);

        string metrics = Curl([$"http://127.0.0.1:{_metricsPort}/metrics"]);
        Assert.Contains("\ndiode_relay_websockets 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\ndiode_relay_devices 1\n", metrics, StringComparison.Ordinal);
        Assert.Equal("ok\n", Curl([$"http://127.0.0.1:{_metricsPort}/healthz"]));
        Assert.Equal(0, relay.Stop());
    }

    [Fact]
    public async Task A_port_in_use_is_told_in_one_line()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, _port));
        taken.Listen();
        using Process relay = Process.Start(new ProcessStartInfo(
            Programs.Daemon, ["relay", "--listen", "127.0.0.1:0", "--peer-listen", "none", "--state-dir", _folder, "--rpc-listen", $"127.0.0.1:{_port}"])
        {
            RedirectStandardError = true,
            Environment = { ["DOTNET_ROOT"] = Programs.DotnetRoot },
        })!;
        string error = await relay.StandardError.ReadToEndAsync();
        await relay.WaitForExitAsync();
        Assert.NotEqual(0, relay.ExitCode);
        Assert.Contains("address already in use", error, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_relay_without_a_chain_says_whom_it_cannot_serve()
    {
        using Process relay = Process.Start(new ProcessStartInfo(
            Programs.Daemon, ["relay", "--listen", "127.0.0.1:0", "--peer-listen", "none", "--state-dir", _folder, "--chain", "diode=http://127.0.0.1:1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_ROOT"] = Programs.DotnetRoot },
        })!;
        Assert.StartsWith("diode://", await relay.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);
        relay.Kill();
        string log = await relay.StandardError.ReadToEndAsync();
        Assert.Contains("No --chain glmr=URL", log, StringComparison.Ordinal);
        Assert.DoesNotContain("No --chain diode=URL", log, StringComparison.Ordinal);

        using Process help = Process.Start(new ProcessStartInfo(Programs.Daemon, ["relay", "--help"])
        {
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_ROOT"] = Programs.DotnetRoot },
        })!;
        string text = await help.StandardOutput.ReadToEndAsync();
        Assert.Contains("Elixir clients need --chain glmr=URL", text, StringComparison.Ordinal);
        Assert.Contains("--rpc-listen", text, StringComparison.Ordinal);
        Assert.Contains("--metrics-listen", text, StringComparison.Ordinal);
    }

    private static int FindPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private string WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        string file = Path.Combine(_folder, "rpc.pem");
        File.WriteAllText(file, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
        return file;
    }

    private static string WriteTicket(PrivateKey device, Address relay)
    {
        var writer = new RlpWriter();
        new TicketV2
        {
            ChainId = 1284,
            EpochNumber = (ulong)(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / EpochSeconds),
            Fleet = new Address(new byte[20]),
            Server = relay,
            TotalConnections = 1,
            TotalBytes = 1 << 20,
        }.Sign(device).WriteSubmission(writer);
        return EthereumJson.Data(writer.WrittenSpan);
    }

    private static string Curl(string[] arguments, string input = "")
    {
        using Process curl = Process.Start(new ProcessStartInfo("curl", ["-s", "-m", "10", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            curl.StandardInput.Write(input);
            curl.StandardInput.Close();
        }
        catch (IOException)
        {
            // It did not want all of it.
        }

        string output = curl.StandardOutput.ReadToEnd();
        curl.WaitForExit();
        return output;
    }

    private static async Task<string> AskAsync(ClientWebSocket socket, string method, string parameters)
    {
        string text = $$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}","params":{{parameters}}}""";
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, default);
        return await ReceiveAsync(socket);
    }

    private static async Task<string> ReceiveAsync(ClientWebSocket socket)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        byte[] buffer = new byte[1 << 16];
        ValueWebSocketReceiveResult piece = await socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
        using var document = JsonDocument.Parse(buffer.AsMemory(0, piece.Count));
        return document.RootElement.GetRawText();
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>
/// A real EVM node (anvil) with rich, unlocked accounts. Fees are zero unless options say otherwise; every
/// address may send. Use one per test class; blocks are made by transactions.
/// </summary>
public sealed class AnvilNode : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private readonly Process _process;
    private readonly HttpClient _http = new();
    private int _lastId;

    public AnvilNode()
        : this("127.0.0.1", "--gas-price", "0", "--block-base-fee-per-gas", "0")
    {
    }

    /// <summary>On an address, with more options of anvil's command line.</summary>
    internal AnvilNode(string address, params string[] options)
    {
        int port = FreePort(address);
        Endpoint = new Uri($"http://{address}:{port.ToString(CultureInfo.InvariantCulture)}");
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(
                Program, [.. Arguments(address, port), .. options])
            { RedirectStandardOutput = true, RedirectStandardError = true },
        };
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        WaitReady();
        Accounts = [.. Call("eth_accounts")!.AsArray().Select(a => Address.Parse(a!.GetValue<string>()))];
    }

    /// <summary>The program; installed from npm by the repository's script if nobody did so before.</summary>
    public static string Program { get; } = Environment.GetEnvironmentVariable("DIODE_ANVIL") ?? Install();

    /// <summary>Where the node answers.</summary>
    public Uri Endpoint { get; }

    /// <summary>Ten accounts with 10,000 coins each, derived from anvil's usual mnemonic.</summary>
    public Address[] Accounts { get; }

    /// <summary>Command line for an address and a port.</summary>
    public static string[] Arguments(string address, int port) =>
        ["--host", address, "--port", port.ToString(CultureInfo.InvariantCulture), "--auto-impersonate", "--silent"];

    /// <summary>A request that has to succeed.</summary>
    public JsonNode? Call(string method, params object?[] parameters) =>
        TryCall(method, parameters, out JsonNode? result, out string error) ? result : throw new InvalidOperationException($"{method}: {error}");

    /// <summary>A request; false with the node's error object as text.</summary>
    public bool TryCall(string method, object?[] parameters, out JsonNode? result, out string error)
    {
        var request = new JsonObject
        {
            ["jsonrpc"] = "2.0",
            ["id"] = ++_lastId,
            ["method"] = method,
            ["params"] = new JsonArray([.. parameters.Select(static p => p as JsonNode ?? JsonValue.Create(p))]),
        };
        using var content = new StringContent(request.ToJsonString());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var message = new HttpRequestMessage(HttpMethod.Post, Endpoint) { Content = content };
        using HttpResponseMessage response = _http.Send(message);
        JsonNode answer = JsonNode.Parse(response.Content.ReadAsStream())!;
        result = answer["result"];
        error = answer["error"]?.ToJsonString() ?? "";
        return answer["error"] is null;
    }

    /// <summary>Number of the newest block.</summary>
    public ulong BlockNumber() => ParseQuantity(Call("eth_blockNumber"));

    /// <summary>Time of the newest block, Unix seconds.</summary>
    public ulong BlockTime() => ParseQuantity(Call("eth_getBlockByNumber", "latest", false)!["timestamp"]);

    /// <summary>Makes a block this much later.</summary>
    public void Advance(TimeSpan time)
    {
        Call("evm_increaseTime", (long)time.TotalSeconds);
        Call("evm_mine");
    }

    public void Dispose()
    {
        _http.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    internal static ulong ParseQuantity(JsonNode? value) =>
        ulong.Parse(value!.GetValue<string>().AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static int FreePort(string address)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static string Install()
    {
        string root = ContractArtifact.RepositoryRoot;
        using Process shell = Process.Start(new ProcessStartInfo(
            "bash", ["-c", $"set -e; . '{root}/scripts/common.sh'; need_evm; echo \"$DIODE_ANVIL\""])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = shell.StandardError.ReadToEndAsync();
        string[] lines = shell.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        shell.WaitForExit();
        return shell.ExitCode == 0
            ? lines[^1].Trim()
            : throw new InvalidOperationException($"anvil can't be installed: {errors.Result.Trim()}");
    }

    private void WaitReady()
    {
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < StartLimit && !_process.HasExited)
        {
            try
            {
                if (TryCall("eth_chainId", [], out _, out _))
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is HttpRequestException or JsonException)
            {
                Thread.Sleep(20);
            }
        }

        string state = _process.HasExited ? $"ended with status {_process.ExitCode}" : "does not answer";
        Dispose();
        throw new InvalidOperationException($"anvil at {Endpoint} {state}");
    }
}

using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Testing.DiodeL1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>
/// A full node of a small Diode L1 on the internet of a <see cref="MeshWorld"/>: the chain lies in this process, JSON-RPC comes in by a
/// Unix socket that a program in the namespace carries connections to. Relays read it by <c>--chain diode=URL</c>.
/// </summary>
internal sealed class DiodeNode : IDisposable
{
    private readonly WebApplication _app;
    private readonly DiodeLab _lab;

    public DiodeNode(MeshWorld world, string port, DiodeLab lab)
    {
        _lab = lab;
        string path = Path.Combine(world.Net.Folder, $"node-{port}.sock");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path));
        _app = builder.Build();
        _app.Run(AnswerAsync);
        _app.StartAsync().GetAwaiter().GetResult();
        Forwarder = world.Serve("inet", "forward", MeshWorld.Web, port, path);
        Url = $"diode=http://{MeshWorld.Web}:{port}";
    }

    /// <summary><c>diode=http://…</c></summary>
    public string Url { get; }

    /// <summary>Without it nobody reaches the node.</summary>
    public HostedProcess Forwarder { get; }

    public void Dispose() => _app.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument request = await JsonDocument.ParseAsync(context.Request.Body);
        JsonElement parameters = request.RootElement.GetProperty("params");
        string result = request.RootElement.GetProperty("method").GetString() switch
        {
            "eth_chainId" => "\"0xf\"",
            "eth_blockNumber" => $"\"{EthereumJson.Quantity(_lab.Peak.Number)}\"",
            "eth_getBlockByNumber" => Block(parameters[0].GetString()!),
            "dio_edgev2" => $"\"{EthereumJson.Data(_lab.Answer(Convert.FromHexString(parameters[0].GetString()!.AsSpan(2))))}\"",
            _ => "null",
        };
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(
            Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":{{request.RootElement.GetProperty("id")}},"result":{{result}}}"""));
    }

    private string Block(string number)
    {
        BlockHeader? block = number == "latest" ? _lab.Peak
            : EthereumJson.TryParseQuantity(number, out ulong wanted) ? _lab.Find(wanted) : null;
        return block is null ? "null" : DiodeLab.Json(block);
    }
}

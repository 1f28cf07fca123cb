using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary><c>/metrics</c> in the text format of Prometheus, and <c>/healthz</c>.</summary>
/// <param name="readCounters">Numbers that only ever grow.</param>
/// <param name="readGauges">Numbers as of now.</param>
/// <param name="isHealthy">Whether the relay serves devices.</param>
internal sealed class MetricsPage(
    Func<IEnumerable<KeyValuePair<string, long>>> readCounters,
    Func<IEnumerable<KeyValuePair<string, long>>> readGauges,
    Func<bool> isHealthy)
{
    /// <summary>The page.</summary>
    public string Write()
    {
        var text = new StringBuilder();
        foreach ((string name, long value) in readCounters())
        {
            Append(text, $"diode_relay_{name}_total", "counter", value);
        }

        foreach ((string name, long value) in readGauges())
        {
            Append(text, $"diode_relay_{name}", "gauge", value);
        }

        return text.ToString();
    }

    /// <summary>Answers a request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        string body = (context.Request.Method, context.Request.Path.Value) switch
        {
            ("GET" or "HEAD", "/metrics") => Write(),
            ("GET" or "HEAD", "/healthz") => isHealthy() ? "ok\n" : Status(response, StatusCodes.Status503ServiceUnavailable, "stopping\n"),
            _ => Status(response, StatusCodes.Status404NotFound, "not found\n"),
        };
        await response.WriteAsync(body, context.RequestAborted);
    }

    private static string Status(HttpResponse response, int status, string text)
    {
        response.StatusCode = status;
        return text;
    }

    private static void Append(StringBuilder text, string name, string type, long value)
    {
        text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n')
            .Append(name).Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}

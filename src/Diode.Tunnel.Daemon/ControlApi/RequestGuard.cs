using Diode.Tunnel.Control;
using Microsoft.AspNetCore.Http;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>
/// Keeps browsers away. Nothing of ours sends Origin or Referer, and a page that reaches the socket through some local
/// proxy or DNS rebinding shows itself by them or by its Host.
/// </summary>
internal static class RequestGuard
{
    /// <summary>Why the request is refused, or null if it is not.</summary>
    internal static string? Refuse(HttpRequest request)
    {
        if (request.Headers.ContainsKey("Origin") || request.Headers.ContainsKey("Referer"))
        {
            return "Requests of browsers are refused.";
        }

        if (request.Headers.ContainsKey("Sec-Fetch-Site"))
        {
            return "Requests of browsers are refused.";
        }

        return request.Host.Value is ControlEndpoint.HostName or "localhost"
            ? null
            : $"The Host header must be '{ControlEndpoint.HostName}' or 'localhost'.";
    }
}

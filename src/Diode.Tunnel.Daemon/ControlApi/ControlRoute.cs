using Diode.Tunnel.Control.Models;
using Microsoft.AspNetCore.Http;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>One operation of the API.</summary>
/// <param name="Method">GET or POST.</param>
/// <param name="Path">See <see cref="Diode.Tunnel.Control.ControlRoutes"/>.</param>
/// <param name="Needs">Access a caller must have.</param>
/// <param name="Command">The command line that does the same, for the hint of a refusal.</param>
/// <param name="InvokeAsync">Does it and writes the answer.</param>
internal sealed record ControlRoute(
    string Method, string Path, AccessLevel Needs, string Command, Func<HttpContext, Task> InvokeAsync);

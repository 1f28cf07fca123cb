using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>One request: guard, find the route, check access, run it, and turn every failure into a typed error.</summary>
internal sealed class ControlDispatcher
{
    private readonly Lazy<Dictionary<(string Method, string Path), ControlRoute>> _routes;
    private readonly ILogger _logger;

    /// <param name="routes">Makes the routes when the first request comes: with what they read and write that is a tenth of a start.</param>
    /// <param name="logger">Where refusals and faults go.</param>
    internal ControlDispatcher(Func<IReadOnlyList<ControlRoute>> routes, ILogger logger)
    {
        _routes = new(() => routes().ToDictionary(route => (route.Method, route.Path)));
        _logger = logger;
    }

    internal async Task InvokeAsync(HttpContext context)
    {
        Caller caller = context.Features.GetRequiredFeature<Caller>();
        if (RequestGuard.Refuse(context.Request) is string refusal)
        {
            Log.ForeignRequest(_logger, caller.Uid, refusal);
            await FailAsync(context, 403, ControlErrorCodes.ForeignRequest, refusal, "Use the diode-tunnel program.");
            return;
        }

        string path = context.Request.Path.Value ?? "";
        if (!_routes.Value.TryGetValue((context.Request.Method, path), out ControlRoute? route))
        {
            bool wrongMethod = _routes.Value.Keys.Any(key => key.Path == path);
            await FailAsync(
                context,
                wrongMethod ? 405 : 404,
                wrongMethod ? ControlErrorCodes.BadRequest : ControlErrorCodes.NotFound,
                wrongMethod ? "This operation does not take that method." : "This daemon does not know that operation.",
                "Install the same version of program and daemon.");
            return;
        }

        if (route.Needs == AccessLevel.ReadWrite && caller.Access != AccessLevel.ReadWrite)
        {
            Log.OperationFailed(_logger, route.Command, ControlErrorCodes.PrivilegeRequired, "user may only look");
            await FailAsync(
                context,
                403,
                ControlErrorCodes.PrivilegeRequired,
                "Only root and the configured operator may do that.",
                $"sudo diode-tunnel {route.Command}");
            return;
        }

        if (route.Needs == AccessLevel.ReadWrite)
        {
            Log.OperationCalled(_logger, caller.Uid, caller.ProcessId, route.Command);
        }

        await RunAsync(context, route);
    }

    private async Task RunAsync(HttpContext context, ControlRoute route)
    {
        try
        {
            await route.InvokeAsync(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested || context.Response.HasStarted)
        {
            // The caller went away, or the daemon stops and the stream ends.
        }
        catch (ControlException e)
        {
            Log.OperationFailed(_logger, route.Command, e.Code, e.Message);
            await FailAsync(context, e.HttpStatus, e.Code, e.Message, e.Hint);
        }
        catch (BadHttpRequestException e)
        {
            string reason = e.StatusCode == 413 ? "The request is too large." : "The request is not valid HTTP.";
            await FailAsync(context, e.StatusCode, ControlErrorCodes.BadRequest, reason, null);
        }
        catch (Exception e)
        {
            // The root of a request: the log has the details, the caller gets none of them.
            Log.OperationFaulted(_logger, e, route.Command);
            await FailAsync(
                context,
                500,
                ControlErrorCodes.Internal,
                "The daemon met a fault of its own.",
                "Its log has the details: journalctl -u diode-tunneld");
        }
    }

    private static Task FailAsync(HttpContext context, int status, string code, string message, string? hint)
    {
        if (context.Response.HasStarted)
        {
            // Half a stream is out: a cut connection is the only honest end.
            context.Abort();
            return Task.CompletedTask;
        }

        context.Response.Clear();
        return JsonLines.WriteErrorAsync(
            context.Response, status, new ControlError { Code = code, Message = message, Hint = hint });
    }
}

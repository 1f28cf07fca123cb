using System.Text.Json.Serialization.Metadata;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>The operations of the API over a backend: one line each. Explicit rather than discovered, so nothing reflects.</summary>
internal static class ControlRouteTable
{
    private const AccessLevel Look = AccessLevel.ReadOnly;
    private const AccessLevel Change = AccessLevel.ReadWrite;

    /// <summary>Builds the table.</summary>
    /// <param name="backend">What does the work.</param>
    /// <param name="stopping">Ends the streams when the daemon stops.</param>
    internal static IReadOnlyList<ControlRoute> Build(IControlBackend backend, CancellationToken stopping)
    {
        ControlJson json = ControlJson.Default;
        return
        [
            Get(ControlRoutes.Status, "status", json.DaemonStatus, c => backend.GetStatusAsync(c).AsTask()),
            new("GET", ControlRoutes.Whoami, Look, "whoami", context => WhoamiAsync(context, backend)),
            Do(ControlRoutes.Up, "up", json.OperationResult, backend.UpAsync),
            Do(ControlRoutes.Down, "down", json.OperationResult, backend.DownAsync),
            new("POST", ControlRoutes.Ping, Look, "ping", context => PingAsync(context, backend, stopping)),

            Get(ControlRoutes.Fleets, "fleet list", json.FleetList, c => backend.ListFleetsAsync(c).AsTask()),
            Post(ControlRoutes.FleetCreate, Change, "fleet create", json.CreateFleetRequest, json.FleetResult,
                RequestCheck.Check, backend.CreateFleetAsync),
            Post(ControlRoutes.FleetAdd, Change, "fleet add", json.AddMemberRequest, json.FleetResult,
                RequestCheck.Check, backend.AddMemberAsync),
            Post(ControlRoutes.FleetRemove, Change, "fleet remove", json.RemoveMemberRequest, json.FleetResult,
                RequestCheck.Check, backend.RemoveMemberAsync),
            Post(ControlRoutes.FleetJoin, Change, "fleet join", json.ManifestRequest, json.FleetResult,
                RequestCheck.Check, backend.JoinFleetAsync),
            Post(ControlRoutes.FleetLeave, Change, "fleet leave", json.LeaveFleetRequest, json.OperationResult,
                RequestCheck.Check, backend.LeaveFleetAsync),
            new("GET", ControlRoutes.FleetExport, Look, "fleet export", context => ExportAsync(context, backend)),
            Post(ControlRoutes.FleetVerify, Look, "fleet verify", json.ManifestRequest, json.FleetVerification,
                RequestCheck.Check, (request, c) => backend.VerifyFleetAsync(request, c).AsTask()),

            Post(ControlRoutes.ChainAction, Change, "fleet add --fleet 0x…", json.ChainActionRequest, json.ChainActionResult,
                RequestCheck.Check, backend.ActOnChainAsync),
            Post(ControlRoutes.ChainName, Look, "bns lookup", json.NameRequest, json.NameEntry,
                RequestCheck.Check, (request, c) => backend.LookUpNameAsync(request, c).AsTask()),

            Get(ControlRoutes.Perimeter, "join status", json.PerimeterStatus, c => backend.GetPerimeterAsync(c).AsTask()),
            Post(ControlRoutes.PerimeterJoin, Change, "join", json.JoinPerimeterRequest, json.PerimeterStatus,
                RequestCheck.Check, backend.JoinPerimeterAsync),
            Do(ControlRoutes.PerimeterLeave, "leave", json.OperationResult, backend.LeavePerimeterAsync),

            Get(ControlRoutes.Publish, "publish list", json.PublishList, c => backend.ListPublishAsync(c).AsTask()),
            Post(ControlRoutes.PublishAdd, Change, "publish", json.AddPublishRequest, json.PublishList,
                RequestCheck.Check, backend.AddPublishAsync),
            Post(ControlRoutes.PublishRemove, Change, "publish remove", json.RemovePublishRequest, json.PublishList,
                RequestCheck.Check, backend.RemovePublishAsync),

            Get(ControlRoutes.Binds, "bind list", json.BindList, c => backend.ListBindsAsync(c).AsTask()),
            Post(ControlRoutes.BindAdd, Change, "bind add", json.AddBindRequest, json.BindList,
                RequestCheck.Check, backend.AddBindAsync),
            Post(ControlRoutes.BindRemove, Change, "bind remove", json.RemoveBindRequest, json.BindList,
                RequestCheck.Check, backend.RemoveBindAsync),
            Get(ControlRoutes.ClearText, "cleartext list", json.ClearTextList, c => backend.ListClearTextAsync(c).AsTask()),
            Post(ControlRoutes.ClearTextAllow, Change, "cleartext allow", json.ClearTextRequest, json.ClearTextList,
                RequestCheck.Check, (request, c) => backend.SetClearTextAsync(request, allow: true, c)),
            Post(ControlRoutes.ClearTextDeny, Change, "cleartext deny", json.ClearTextRequest, json.ClearTextList,
                RequestCheck.Check, (request, c) => backend.SetClearTextAsync(request, allow: false, c)),

            Get(ControlRoutes.Exits, "exit list", json.ExitList, c => backend.ListExitsAsync(c).AsTask()),
            Post(ControlRoutes.ExitUse, Change, "exit use", json.UseExitRequest, json.ExitList,
                RequestCheck.Check, backend.UseExitAsync),
            Do(ControlRoutes.ExitOff, "exit off", json.ExitList, backend.ExitOffAsync),
            Post(ControlRoutes.ExitOffer, Change, "exit offer", json.OfferExitRequest, json.ExitList,
                RequestCheck.Check, (request, c) => backend.OfferExitAsync(Lower(request), c)),
            Do(ControlRoutes.ExitUnoffer, "exit unoffer", json.ExitList, backend.UnofferExitAsync),

            Get(ControlRoutes.Tickets, "ticket status", json.TicketLedger, c => backend.GetTicketsAsync(c).AsTask()),
            Post(ControlRoutes.TicketBudget, Change, "ticket budget", json.TicketBudgetRequest, json.TicketLedger,
                RequestCheck.Check, backend.SetTicketBudgetAsync),

            Do(ControlRoutes.Reset, "reset", json.OperationResult, backend.ResetAsync),
            new("GET", ControlRoutes.Events, Look, "status --watch", context => EventsAsync(context, backend, stopping)),
            new("GET", ControlRoutes.Metrics, Look, "status --json", context => MetricsAsync(context, backend)),
        ];
    }

    private static ControlRoute Get<T>(
        string path, string command, JsonTypeInfo<T> result, Func<CancellationToken, Task<T>> operation) =>
        new("GET", path, Look, command, async context =>
            await JsonLines.WriteAsync(context.Response, await operation(context.RequestAborted), result));

    private static ControlRoute Do<T>(
        string path, string command, JsonTypeInfo<T> result, Func<CancellationToken, Task<T>> operation) =>
        new("POST", path, Change, command, async context =>
            await JsonLines.WriteAsync(context.Response, await operation(context.RequestAborted), result));

    private static ControlRoute Post<TRequest, TResult>(
        string path,
        AccessLevel needs,
        string command,
        JsonTypeInfo<TRequest> requestInfo,
        JsonTypeInfo<TResult> resultInfo,
        Action<TRequest> check,
        Func<TRequest, CancellationToken, Task<TResult>> operation) =>
        new("POST", path, needs, command, async context =>
        {
            TRequest request = await JsonLines.ReadAsync(context.Request, requestInfo);
            check(request);
            TResult result = await operation(request, context.RequestAborted);
            await JsonLines.WriteAsync(context.Response, result, resultInfo);
        });

    private static OfferExitRequest Lower(OfferExitRequest request) =>
        request with { Region = request.Region.ToLowerInvariant() };

    private static async Task WhoamiAsync(HttpContext context, IControlBackend backend)
    {
        Identity identity = await backend.GetIdentityAsync(context.RequestAborted);
        AccessLevel access = context.Features.GetRequiredFeature<Caller>().Access;
        await JsonLines.WriteAsync(context.Response, identity with { Access = access }, ControlJson.Default.Identity);
    }

    private static async Task ExportAsync(HttpContext context, IControlBackend backend)
    {
        string? fleet = context.Request.Query["fleet"].FirstOrDefault();
        ManifestDocument document = await backend.ExportFleetAsync(fleet, context.RequestAborted);
        await JsonLines.WriteAsync(context.Response, document, ControlJson.Default.ManifestDocument);
    }

    private static async Task PingAsync(HttpContext context, IControlBackend backend, CancellationToken stopping)
    {
        PingRequest request = await JsonLines.ReadAsync(context.Request, ControlJson.Default.PingRequest);
        RequestCheck.Check(request);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await JsonLines.StreamAsync(
            context.Response, backend.PingAsync(request, end.Token), ControlJson.Default.PingResult, end.Token);
    }

    private static async Task EventsAsync(HttpContext context, IControlBackend backend, CancellationToken stopping)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await JsonLines.StreamAsync(
            context.Response, backend.WatchAsync(end.Token), ControlJson.Default.ControlEvent, end.Token);
    }

    private static Task MetricsAsync(HttpContext context, IControlBackend backend)
    {
        context.Response.ContentType = MetricsText.ContentType;
        return context.Response.WriteAsync(MetricsText.Write(backend.GetCounters()), context.RequestAborted);
    }
}

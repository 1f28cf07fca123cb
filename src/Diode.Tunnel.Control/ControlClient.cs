using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Control;

/// <summary>
/// The control API as methods. Every failure is a <see cref="ControlException"/>, also "nobody answers".
/// Safe for use from several threads; connections are kept open between calls and closed by <see cref="Dispose"/>.
/// </summary>
public sealed class ControlClient : IDisposable
{
    /// <summary>How long a single answer may take when nothing else is asked for.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http;
    private readonly TimeSpan _timeout;

    /// <summary>Creates a client; nothing is connected yet.</summary>
    /// <param name="endpoint">Where the daemon listens.</param>
    /// <param name="timeout">How long a single answer may take; streams have no limit. Null = <see cref="DefaultTimeout"/>.</param>
    public ControlClient(ControlEndpoint endpoint, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        _timeout = timeout ?? DefaultTimeout;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellationToken) => endpoint.ConnectAsync(cancellationToken),
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
        };
        _http = new HttpClient(handler)
        {
            BaseAddress = new Uri("http://" + ControlEndpoint.HostName),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The whole status.</summary>
    public Task<DaemonStatus> GetStatusAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Status, ControlJson.Default.DaemonStatus, cancellationToken);

    /// <summary>Who this device is and what the caller may do.</summary>
    public Task<Identity> GetIdentityAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Whoami, ControlJson.Default.Identity, cancellationToken);

    /// <summary>Switches the tunnel on.</summary>
    public Task<OperationResult> UpAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.Up, ControlJson.Default.OperationResult, cancellationToken);

    /// <summary>Switches the tunnel off.</summary>
    public Task<OperationResult> DownAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.Down, ControlJson.Default.OperationResult, cancellationToken);

    /// <summary>Sends echoes and yields each outcome as it comes.</summary>
    public IAsyncEnumerable<PingResult> PingAsync(PingRequest request, CancellationToken cancellationToken = default) =>
        StreamAsync(
            HttpMethod.Post,
            ControlRoutes.Ping,
            JsonBody(request, ControlJson.Default.PingRequest),
            ControlJson.Default.PingResult,
            cancellationToken);

    /// <summary>What this device pays relays.</summary>
    public Task<TicketLedger> GetTicketsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Tickets, ControlJson.Default.TicketLedger, cancellationToken);

    /// <summary>Changes the traffic budget.</summary>
    public Task<TicketLedger> SetTicketBudgetAsync(TicketBudgetRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.TicketBudget,
            request,
            ControlJson.Default.TicketBudgetRequest,
            ControlJson.Default.TicketLedger,
            cancellationToken);

    /// <summary>All fleets with their members.</summary>
    public Task<FleetList> ListFleetsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Fleets, ControlJson.Default.FleetList, cancellationToken);

    /// <summary>Creates a fleet.</summary>
    public Task<FleetResult> CreateFleetAsync(CreateFleetRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetCreate,
            request,
            ControlJson.Default.CreateFleetRequest,
            ControlJson.Default.FleetResult,
            cancellationToken);

    /// <summary>Adds or changes a member.</summary>
    public Task<FleetResult> AddMemberAsync(AddMemberRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetAdd,
            request,
            ControlJson.Default.AddMemberRequest,
            ControlJson.Default.FleetResult,
            cancellationToken);

    /// <summary>Removes a member.</summary>
    public Task<FleetResult> RemoveMemberAsync(RemoveMemberRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetRemove,
            request,
            ControlJson.Default.RemoveMemberRequest,
            ControlJson.Default.FleetResult,
            cancellationToken);

    /// <summary>Joins the fleet of a manifest, or takes its newer version.</summary>
    public Task<FleetResult> JoinFleetAsync(ManifestRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetJoin,
            request,
            ControlJson.Default.ManifestRequest,
            ControlJson.Default.FleetResult,
            cancellationToken);

    /// <summary>Leaves a fleet.</summary>
    public Task<OperationResult> LeaveFleetAsync(LeaveFleetRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetLeave,
            request,
            ControlJson.Default.LeaveFleetRequest,
            ControlJson.Default.OperationResult,
            cancellationToken);

    /// <summary>The signed manifest of a fleet; null = the only one.</summary>
    public Task<ManifestDocument> ExportFleetAsync(string? fleet, CancellationToken cancellationToken = default) =>
        GetAsync(
            fleet is null ? ControlRoutes.FleetExport : $"{ControlRoutes.FleetExport}?fleet={Uri.EscapeDataString(fleet)}",
            ControlJson.Default.ManifestDocument,
            cancellationToken);

    /// <summary>Checks a manifest without taking it.</summary>
    public Task<FleetVerification> VerifyFleetAsync(ManifestRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.FleetVerify,
            request,
            ControlJson.Default.ManifestRequest,
            ControlJson.Default.FleetVerification,
            cancellationToken);

    /// <summary>Prepares a transaction, or sends it.</summary>
    public Task<ChainActionResult> ActOnChainAsync(ChainActionRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.ChainAction,
            request,
            ControlJson.Default.ChainActionRequest,
            ControlJson.Default.ChainActionResult,
            cancellationToken);

    /// <summary>Looks a BNS name up.</summary>
    public Task<NameEntry> LookUpNameAsync(NameRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.ChainName,
            request,
            ControlJson.Default.NameRequest,
            ControlJson.Default.NameEntry,
            cancellationToken);

    /// <summary>The perimeter this device has joined.</summary>
    public Task<PerimeterStatus> GetPerimeterAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Perimeter, ControlJson.Default.PerimeterStatus, cancellationToken);

    /// <summary>Joins a perimeter.</summary>
    public Task<PerimeterStatus> JoinPerimeterAsync(JoinPerimeterRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.PerimeterJoin, request, ControlJson.Default.JoinPerimeterRequest, ControlJson.Default.PerimeterStatus, cancellationToken);

    /// <summary>Leaves the perimeter.</summary>
    public Task<OperationResult> LeavePerimeterAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.PerimeterLeave, ControlJson.Default.OperationResult, cancellationToken);

    /// <summary>The publish rules in force.</summary>
    public Task<PublishList> ListPublishAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Publish, ControlJson.Default.PublishList, cancellationToken);

    /// <summary>Adds or replaces a publish rule.</summary>
    public Task<PublishList> AddPublishAsync(AddPublishRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.PublishAdd,
            request,
            ControlJson.Default.AddPublishRequest,
            ControlJson.Default.PublishList,
            cancellationToken);

    /// <summary>Removes publish rules.</summary>
    public Task<PublishList> RemovePublishAsync(RemovePublishRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.PublishRemove,
            request,
            ControlJson.Default.RemovePublishRequest,
            ControlJson.Default.PublishList,
            cancellationToken);

    /// <summary>The local ports that lead to other devices.</summary>
    public Task<BindList> ListBindsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Binds, ControlJson.Default.BindList, cancellationToken);

    /// <summary>Adds or replaces a bind.</summary>
    public Task<BindList> AddBindAsync(AddBindRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.BindAdd, request, ControlJson.Default.AddBindRequest, ControlJson.Default.BindList, cancellationToken);

    /// <summary>Removes a bind.</summary>
    public Task<BindList> RemoveBindAsync(RemoveBindRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.BindRemove, request, ControlJson.Default.RemoveBindRequest, ControlJson.Default.BindList, cancellationToken);

    /// <summary>The plain Diode devices whose ports may be used in clear text.</summary>
    public Task<ClearTextList> ListClearTextAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.ClearText, ControlJson.Default.ClearTextList, cancellationToken);

    /// <summary>Allows or forbids clear text towards a plain Diode device.</summary>
    public Task<ClearTextList> SetClearTextAsync(ClearTextRequest request, bool allow, CancellationToken cancellationToken = default) =>
        PostAsync(
            allow ? ControlRoutes.ClearTextAllow : ControlRoutes.ClearTextDeny,
            request,
            ControlJson.Default.ClearTextRequest,
            ControlJson.Default.ClearTextList,
            cancellationToken);

    /// <summary>The exits and what is in use.</summary>
    public Task<ExitList> ListExitsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ControlRoutes.Exits, ControlJson.Default.ExitList, cancellationToken);

    /// <summary>Uses an exit.</summary>
    public Task<ExitList> UseExitAsync(UseExitRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.ExitUse,
            request,
            ControlJson.Default.UseExitRequest,
            ControlJson.Default.ExitList,
            cancellationToken);

    /// <summary>Stops using an exit.</summary>
    public Task<ExitList> ExitOffAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.ExitOff, ControlJson.Default.ExitList, cancellationToken);

    /// <summary>Offers this device as an exit.</summary>
    public Task<ExitList> OfferExitAsync(OfferExitRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            ControlRoutes.ExitOffer,
            request,
            ControlJson.Default.OfferExitRequest,
            ControlJson.Default.ExitList,
            cancellationToken);

    /// <summary>Withdraws the offer.</summary>
    public Task<ExitList> UnofferExitAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.ExitUnoffer, ControlJson.Default.ExitList, cancellationToken);

    /// <summary>Undoes every system change.</summary>
    public Task<OperationResult> ResetAsync(CancellationToken cancellationToken = default) =>
        PostAsync(ControlRoutes.Reset, ControlJson.Default.OperationResult, cancellationToken);

    /// <summary>Yields the status at once and after every change, until cancelled or the daemon stops.</summary>
    public IAsyncEnumerable<ControlEvent> WatchAsync(CancellationToken cancellationToken = default) =>
        StreamAsync(HttpMethod.Get, ControlRoutes.Events, null, ControlJson.Default.ControlEvent, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, typeInfo, cancellationToken);

    private Task<T> PostAsync<T>(string path, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, null, typeInfo, cancellationToken);

    private Task<TResult> PostAsync<TRequest, TResult>(
        string path,
        TRequest request,
        JsonTypeInfo<TRequest> requestInfo,
        JsonTypeInfo<TResult> resultInfo,
        CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, JsonBody(request, requestInfo), resultInfo, cancellationToken);

    private static ByteArrayContent JsonBody<T>(T request, JsonTypeInfo<T> typeInfo)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(request, typeInfo));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private async Task<T> SendAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_timeout);
        try
        {
            using HttpResponseMessage response = await OpenAsync(method, path, body, limit.Token).ConfigureAwait(false);
            byte[] bytes = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            return Parse(bytes, typeInfo);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ControlException(
                ControlErrorCodes.Timeout,
                $"The daemon did not answer within {_timeout.TotalSeconds:0} s.",
                "See its log: journalctl -u diode-tunneld",
                504,
                e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw Broken(e);
        }
    }

    private async IAsyncEnumerable<T> StreamAsync<T>(
        HttpMethod method,
        string path,
        HttpContent? body,
        JsonTypeInfo<T> typeInfo,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await OpenAsync(method, path, body, cancellationToken).ConfigureAwait(false);
        Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using var reader = new StreamReader(stream);
        while (true)
        {
            string? line;
            try
            {
                line = await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                throw Broken(e);
            }

            if (line is null)
            {
                yield break;
            }

            if (line.Length > 0)
            {
                yield return Parse(System.Text.Encoding.UTF8.GetBytes(line), typeInfo);
            }
        }
    }

    /// <summary>Sends a request and returns the response once its head says success.</summary>
    private async Task<HttpResponseMessage> OpenAsync(
        HttpMethod method, string path, HttpContent? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        HttpResponseMessage response;
        try
        {
            response = await _http
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw Broken(e);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await ReadFailureAsync(response, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<ControlException> ReadFailureAsync(
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        int status = (int)response.StatusCode;
        if (response.Content.Headers.ContentType?.MediaType == "application/json")
        {
            byte[] bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
            ControlError error = Parse(bytes, ControlJson.Default.ControlError);
            return new ControlException(error.Code, error.Message, error.Hint, status);
        }

        return new ControlException(
            ControlErrorCodes.BadAnswer,
            $"What listens at the socket answered HTTP {status} and is not a Diode Tunnel daemon.",
            "Check --socket and DIODE_TUNNEL_SOCKET.",
            status);
    }

    private static T Parse<T>(byte[] bytes, JsonTypeInfo<T> typeInfo)
    {
        try
        {
            return JsonSerializer.Deserialize(bytes, typeInfo) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new ControlException(
                ControlErrorCodes.BadAnswer,
                "The daemon's answer cannot be read: program and daemon are of different versions.",
                "Install the same version of both and restart the daemon: sudo systemctl restart diode-tunneld",
                502,
                e);
        }
    }

    /// <summary>A connect failure travels inside the HTTP failure; anything else is a daemon that went away.</summary>
    private static ControlException Broken(Exception e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is ControlException control)
            {
                return control;
            }
        }

        return new ControlException(
            ControlErrorCodes.DaemonNotRunning,
            "The daemon went away before it answered.",
            "See why: journalctl -u diode-tunneld -n 50",
            503,
            e);
    }
}

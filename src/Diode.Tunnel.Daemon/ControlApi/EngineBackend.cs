using System.Net.NetworkInformation;
using System.Runtime.CompilerServices;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.Hosting;
using Diode.Tunnel.Engine;
using Diode.Tunnel.Platform;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>The operations of the control API on the tunnel engine: translates models and failures, decides nothing.</summary>
internal sealed class EngineBackend(EngineHost host) : IControlBackend
{
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan WatchPace = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan WatchHeartbeat = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public async ValueTask<DaemonStatus> GetStatusAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToStatus(await StatusAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask<Identity> GetIdentityAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToIdentity(await StatusAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async Task<OperationResult> UpAsync(CancellationToken cancellationToken)
    {
        await RunAsync(e => e.UpAsync(cancellationToken));
        EngineStatus status = await StatusAsync(cancellationToken);
        return new OperationResult { Message = $"The tunnel is up: {status.Interface} {status.Ipv4} {status.Ipv6}" };
    }

    /// <inheritdoc/>
    public async Task<OperationResult> DownAsync(CancellationToken cancellationToken)
    {
        await RunAsync(e => e.DownAsync(cancellationToken));
        return new OperationResult { Message = "The tunnel is down; every change to the system is undone." };
    }

    /// <inheritdoc/>
    public async Task<OperationResult> ResetAsync(CancellationToken cancellationToken)
    {
        await RunAsync(e => e.ResetAsync(cancellationToken));
        return new OperationResult
        {
            Message = "The tunnel is down, the exit is released, and every change to the system is undone.",
        };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<PingResult> PingAsync(
        PingRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!(await StatusAsync(cancellationToken)).Peers.Any(p => EngineModels.IsNamed(p, request.Target))
            && await RunAsync(e => e.FindNamedAsync(request.Target, cancellationToken)) is { } device)
        {
            request = request with { Target = device };
        }

        Find(await StatusAsync(cancellationToken), request.Target);
        using Ping ping = new();
        for (int i = 1; i <= request.Count; i++)
        {
            if (i > 1)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
            }

            PeerView peer = Find(await StatusAsync(cancellationToken), request.Target);
            TimeSpan? roundTrip = await SendAsync(ping, peer);
            EngineStatus after = await StatusAsync(cancellationToken);
            yield return EngineModels.ToPing(i, Find(after, request.Target), roundTrip);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<FleetList> ListFleetsAsync(CancellationToken cancellationToken)
    {
        return new FleetList { Fleets = [.. (await StatusAsync(cancellationToken)).Fleets.Select(EngineModels.ToFleet)] };
    }

    /// <inheritdoc/>
    public Task<FleetResult> CreateFleetAsync(CreateFleetRequest request, CancellationToken cancellationToken)
    {
        return FleetAsync(e => e.CreateFleetAsync(request.Name, request.Label, cancellationToken));
    }

    /// <inheritdoc/>
    public Task<FleetResult> AddMemberAsync(AddMemberRequest request, CancellationToken cancellationToken)
    {
        return FleetAsync(e => e.AddMemberAsync(
            request.Fleet, request.Device, request.Label, request.Roles, cancellationToken));
    }

    /// <inheritdoc/>
    public Task<FleetResult> RemoveMemberAsync(RemoveMemberRequest request, CancellationToken cancellationToken)
    {
        return FleetAsync(e => e.RemoveMemberAsync(request.Fleet, request.Device, cancellationToken));
    }

    /// <inheritdoc/>
    public Task<FleetResult> JoinFleetAsync(ManifestRequest request, CancellationToken cancellationToken)
    {
        return FleetAsync(e => e.JoinFleetAsync(request.Document, cancellationToken));
    }

    /// <inheritdoc/>
    public async Task<OperationResult> LeaveFleetAsync(LeaveFleetRequest request, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.LeaveFleetAsync(request.Fleet, cancellationToken));
        return new OperationResult { Message = $"Left fleet {request.Fleet}." };
    }

    /// <inheritdoc/>
    public async Task<ManifestDocument> ExportFleetAsync(string? fleet, CancellationToken cancellationToken)
    {
        (string name, string document) = await RunAsync(e => e.ExportFleetAsync(fleet, cancellationToken));
        return new ManifestDocument { Fleet = name, Document = document };
    }

    /// <inheritdoc/>
    public async ValueTask<FleetVerification> VerifyFleetAsync(ManifestRequest request, CancellationToken cancellationToken)
    {
        (bool valid, string reason, FleetView? fleet) =
            await RunAsync(e => e.VerifyFleetAsync(request.Document, cancellationToken));
        return new FleetVerification
        {
            Valid = valid,
            Reason = valid ? null : reason,
            Fleet = fleet is null ? null : EngineModels.ToFleet(fleet),
        };
    }

    /// <inheritdoc/>
    public async Task<ChainActionResult> ActOnChainAsync(ChainActionRequest request, CancellationToken cancellationToken)
    {
        return EngineModels.ToResult(await RunAsync(e => e.ActOnChainAsync(EngineModels.ToAction(request), cancellationToken)));
    }

    /// <inheritdoc/>
    public async ValueTask<NameEntry> LookUpNameAsync(NameRequest request, CancellationToken cancellationToken)
    {
        return EngineModels.ToEntry(await RunAsync(e => e.LookUpNameAsync(request.Name, request.Chain, request.Contract, cancellationToken)));
    }

    /// <inheritdoc/>
    public async ValueTask<PerimeterStatus> GetPerimeterAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToPerimeter((await StatusAsync(cancellationToken)).Perimeter);
    }

    /// <inheritdoc/>
    public async Task<PerimeterStatus> JoinPerimeterAsync(JoinPerimeterRequest request, CancellationToken cancellationToken)
    {
        return EngineModels.ToPerimeter(await RunAsync(e => e.JoinPerimeterAsync(request.Contract, request.Chain, cancellationToken)));
    }

    /// <inheritdoc/>
    public async Task<OperationResult> LeavePerimeterAsync(CancellationToken cancellationToken)
    {
        string left = await RunAsync(e => e.LeavePerimeterAsync(cancellationToken));
        return new OperationResult { Message = $"Left perimeter {left}; what it had set on this device is taken back." };
    }

    /// <inheritdoc/>
    public async ValueTask<TicketLedger> GetTicketsAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToLedger(await RunAsync(e => e.GetLedgerAsync(cancellationToken)));
    }

    /// <inheritdoc/>
    public async Task<TicketLedger> SetTicketBudgetAsync(TicketBudgetRequest request, CancellationToken cancellationToken)
    {
        return EngineModels.ToLedger(await RunAsync(e => e.SetTrafficBudgetAsync(
            (ulong?)request.Bytes, (ulong?)request.BytesPerRelay, cancellationToken)));
    }

    /// <inheritdoc/>
    public async ValueTask<PublishList> ListPublishAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToPublishList(await StatusAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async Task<PublishList> AddPublishAsync(AddPublishRequest request, CancellationToken cancellationToken)
    {
        if (request.Definitions.Count > 0)
        {
            await RunAsync(e => e.PublishDefinitionsAsync(
                [.. request.Definitions.Select(static d => (EngineModels.ToMode(d.Mode), d.Definition))], cancellationToken));
            return await ListPublishAsync(cancellationToken);
        }

        string port = EngineModels.ToPortText(request.All ? null : request.Port, request.Protocol);
        await RunAsync(e => e.PublishAsync(port, request.To, cancellationToken));
        return await ListPublishAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<PublishList> RemovePublishAsync(RemovePublishRequest request, CancellationToken cancellationToken)
    {
        string port = EngineModels.ToPortText(request.All ? null : request.Port, request.Protocol);
        await RunAsync(e => e.UnpublishAsync(port, cancellationToken));
        return await ListPublishAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<BindList> ListBindsAsync(CancellationToken cancellationToken)
    {
        return EngineModels.ToBindList(await StatusAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async Task<BindList> AddBindAsync(AddBindRequest request, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.AddBindAsync(request.Bind, cancellationToken));
        return await ListBindsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<BindList> RemoveBindAsync(RemoveBindRequest request, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.RemoveBindAsync(request.Local, cancellationToken));
        return await ListBindsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ClearTextList> ListClearTextAsync(CancellationToken cancellationToken)
    {
        return new ClearTextList { Devices = (await StatusAsync(cancellationToken)).ClearText };
    }

    /// <inheritdoc/>
    public async Task<ClearTextList> SetClearTextAsync(ClearTextRequest request, bool allow, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.SetClearTextAsync(request.Device, allow, cancellationToken));
        return await ListClearTextAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ExitList> ListExitsAsync(CancellationToken cancellationToken)
    {
        CommunityExits community = await RunAsync(e => e.ListCommunityExitsAsync(cancellationToken));
        ExitList list = await ShowExitsAsync(cancellationToken);
        return list with
        {
            Community = [.. community.Exits.Select(e => EngineModels.ToListed(e, list.Exit.Offers))],
            CommunityProblems = community.Problems,
        };
    }

    private async Task<ExitList> ShowExitsAsync(CancellationToken cancellationToken)
    {
        return new ExitList { Exit = EngineModels.ToExit((await StatusAsync(cancellationToken)).Exit) };
    }

    /// <inheritdoc/>
    public async Task<ExitList> UseExitAsync(UseExitRequest request, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.UseExitAsync(request.Target, request.AllowLan, cancellationToken));
        return await ShowExitsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExitList> ExitOffAsync(CancellationToken cancellationToken)
    {
        await RunAsync(e => e.ExitOffAsync(cancellationToken));
        return await ShowExitsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExitList> OfferExitAsync(OfferExitRequest request, CancellationToken cancellationToken)
    {
        await RunAsync(e => e.OfferExitAsync(request.Region, request.Ipv4, request.Ipv6, cancellationToken));
        return await ShowExitsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExitList> UnofferExitAsync(CancellationToken cancellationToken)
    {
        await RunAsync(e => e.UnofferExitAsync(cancellationToken));
        return await ShowExitsAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ControlEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            yield return new ControlEvent { Status = await GetStatusAsync(cancellationToken) };
            await Task.Delay(WatchPace, cancellationToken);
            await host.Engine.WaitForChangeAsync(WatchHeartbeat, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, long> GetCounters()
    {
        return host.Engine.GetCounters();
    }

    /// <summary>One echo; its round trip by our own clock (the reply counts whole milliseconds), or null if it was lost.</summary>
    private static async Task<TimeSpan?> SendAsync(Ping ping, PeerView peer)
    {
        try
        {
            long sent = TimeProvider.System.GetTimestamp();
            PingReply reply = await ping.SendPingAsync(peer.Ipv4, (int)PingTimeout.TotalMilliseconds);
            return reply.Status == IPStatus.Success ? TimeProvider.System.GetElapsedTime(sent) : null;
        }
        catch (PingException)
        {
            // Unreachable for the kernel: a lost echo like any other; the path says why.
            return null;
        }
    }

    private static PeerView Find(EngineStatus status, string target)
    {
        return status.Peers.FirstOrDefault(p => EngineModels.IsNamed(p, target)) ?? throw new ControlException(
            ControlErrorCodes.NotFound, $"No device is called '{target}'.", "See: diode-tunnel status", 404);
    }

    private Task<EngineStatus> StatusAsync(CancellationToken cancellationToken)
    {
        return RunAsync(e => e.GetStatusAsync(cancellationToken));
    }

    private async Task<FleetResult> FleetAsync(Func<TunnelEngine, Task<FleetView>> operation)
    {
        return new FleetResult { Fleet = EngineModels.ToFleet(await RunAsync(operation)) };
    }

    private async Task<bool> RunAsync(Func<TunnelEngine, Task> operation)
    {
        return await RunAsync(async e =>
        {
            await operation(e);
            return true;
        });
    }

    private async Task<T> RunAsync<T>(Func<TunnelEngine, Task<T>> operation)
    {
        try
        {
            return await operation(host.Engine);
        }
        catch (TunnelException e)
        {
            throw new ControlException(e.Code, e.Message, e.Hint.Length > 0 ? e.Hint : null, StatusOf(e.Code), e);
        }
        catch (Exception e) when (e is PlatformException or IOException or UnauthorizedAccessException)
        {
            throw new ControlException(ControlErrorCodes.System, e.Message, null, 500, e);
        }
    }

    private static int StatusOf(string code)
    {
        return code switch
        {
            ControlErrorCodes.NotFound => 404,
            ControlErrorCodes.Conflict or ControlErrorCodes.TunnelDown => 409,
            ControlErrorCodes.Unavailable => 503,
            ControlErrorCodes.System => 500,
            _ => 400,
        };
    }
}

using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>
/// The operations behind the control API. Callers are already authorised and their requests are in form
/// (ports in range, lists not empty, addresses and labels unchecked). Every failure a person should read is a
/// <see cref="ControlException"/>; anything else is logged and answered as an internal error without its text.
/// All methods may be called from any thread and at the same time.
/// </summary>
public interface IControlBackend
{
    /// <summary>The whole status, taken from immutable snapshots; must not wait for the network.</summary>
    ValueTask<DaemonStatus> GetStatusAsync(CancellationToken cancellationToken);

    /// <summary>Who this device is. <see cref="Identity.Access"/> is filled in by the API.</summary>
    ValueTask<Identity> GetIdentityAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Switches the tunnel on and remembers that over restarts; returns when the adapter is there (relay sessions may
    /// still be coming). Does nothing if it is on.
    /// </summary>
    Task<OperationResult> UpAsync(CancellationToken cancellationToken);

    /// <summary>Switches the tunnel off, remembers that, and undoes every system change. Does nothing if it is off.</summary>
    Task<OperationResult> DownAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Sends <see cref="PingRequest.Count"/> echoes, one per second, and yields each outcome. An unknown target throws
    /// before the first item; a lost echo is a result with <see cref="PingResult.Received"/> false.
    /// </summary>
    IAsyncEnumerable<PingResult> PingAsync(PingRequest request, CancellationToken cancellationToken);

    /// <summary>All fleets with their members.</summary>
    ValueTask<FleetList> ListFleetsAsync(CancellationToken cancellationToken);

    /// <summary>Creates a fleet operated by this device, with this device as its first member.</summary>
    Task<FleetResult> CreateFleetAsync(CreateFleetRequest request, CancellationToken cancellationToken);

    /// <summary>Adds a member, or changes label and roles of one, and signs the next version.</summary>
    Task<FleetResult> AddMemberAsync(AddMemberRequest request, CancellationToken cancellationToken);

    /// <summary>Removes a member and signs the next version.</summary>
    Task<FleetResult> RemoveMemberAsync(RemoveMemberRequest request, CancellationToken cancellationToken);

    /// <summary>Verifies a manifest and joins its fleet, or takes it as the newer version of one already joined.</summary>
    Task<FleetResult> JoinFleetAsync(ManifestRequest request, CancellationToken cancellationToken);

    /// <summary>Forgets a fleet: sessions with its members are cut.</summary>
    Task<OperationResult> LeaveFleetAsync(LeaveFleetRequest request, CancellationToken cancellationToken);

    /// <summary>The signed manifest of a fleet. <paramref name="fleet"/>: name or operator address; null = the only one.</summary>
    Task<ManifestDocument> ExportFleetAsync(string? fleet, CancellationToken cancellationToken);

    /// <summary>Checks a manifest without taking it; a bad one is a result, not a failure.</summary>
    ValueTask<FleetVerification> VerifyFleetAsync(ManifestRequest request, CancellationToken cancellationToken);

    /// <summary>Says what a transaction would cost, or signs and sends it and waits some time for its block.</summary>
    Task<ChainActionResult> ActOnChainAsync(ChainActionRequest request, CancellationToken cancellationToken);

    /// <summary>What a name service holds about a name.</summary>
    ValueTask<NameEntry> LookUpNameAsync(NameRequest request, CancellationToken cancellationToken);

    /// <summary>The perimeter this device has joined.</summary>
    ValueTask<PerimeterStatus> GetPerimeterAsync(CancellationToken cancellationToken);

    /// <summary>Joins a perimeter; what it says is in force when it returns.</summary>
    Task<PerimeterStatus> JoinPerimeterAsync(JoinPerimeterRequest request, CancellationToken cancellationToken);

    /// <summary>Leaves the perimeter: what it brought is taken back.</summary>
    Task<OperationResult> LeavePerimeterAsync(CancellationToken cancellationToken);

    /// <summary>What this device pays relays, by relay.</summary>
    ValueTask<TicketLedger> GetTicketsAsync(CancellationToken cancellationToken);

    /// <summary>Changes the traffic budget; in force when it returns.</summary>
    Task<TicketLedger> SetTicketBudgetAsync(TicketBudgetRequest request, CancellationToken cancellationToken);

    /// <summary>The publish rules in force.</summary>
    ValueTask<PublishList> ListPublishAsync(CancellationToken cancellationToken);

    /// <summary>Adds or replaces a rule; in force when it returns.</summary>
    Task<PublishList> AddPublishAsync(AddPublishRequest request, CancellationToken cancellationToken);

    /// <summary>Removes rules; flows they allowed are cut when it returns.</summary>
    Task<PublishList> RemovePublishAsync(RemovePublishRequest request, CancellationToken cancellationToken);

    /// <summary>The local ports that lead to other devices.</summary>
    ValueTask<BindList> ListBindsAsync(CancellationToken cancellationToken);

    /// <summary>Adds or replaces a bind; it listens when it returns, or says why not.</summary>
    Task<BindList> AddBindAsync(AddBindRequest request, CancellationToken cancellationToken);

    /// <summary>Removes a bind; its connections are cut.</summary>
    Task<BindList> RemoveBindAsync(RemoveBindRequest request, CancellationToken cancellationToken);

    /// <summary>The plain Diode devices whose ports may be used in clear text.</summary>
    ValueTask<ClearTextList> ListClearTextAsync(CancellationToken cancellationToken);

    /// <summary>Allows or forbids clear text towards a plain Diode device.</summary>
    Task<ClearTextList> SetClearTextAsync(ClearTextRequest request, bool allow, CancellationToken cancellationToken);

    /// <summary>The exits that could be used, and the one in use.</summary>
    ValueTask<ExitList> ListExitsAsync(CancellationToken cancellationToken);

    /// <summary>Uses an exit. Returns when it is connected or blocked; never leaves traffic in the clear in between.</summary>
    Task<ExitList> UseExitAsync(UseExitRequest request, CancellationToken cancellationToken);

    /// <summary>Stops using an exit: traffic leaves as it would without a tunnel.</summary>
    Task<ExitList> ExitOffAsync(CancellationToken cancellationToken);

    /// <summary>Offers this device as an exit.</summary>
    Task<ExitList> OfferExitAsync(OfferExitRequest request, CancellationToken cancellationToken);

    /// <summary>Withdraws the offer; clients are cut.</summary>
    Task<ExitList> UnofferExitAsync(CancellationToken cancellationToken);

    /// <summary>Switches the tunnel off and undoes every journalled system change, also those of a dead predecessor.</summary>
    Task<OperationResult> ResetAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Yields the current status at once and then after every change (coalesced, at most a few per second) until
    /// cancelled. A slow reader misses intermediate states, never the last one.
    /// </summary>
    IAsyncEnumerable<ControlEvent> WatchAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Counters and gauges for <c>/v1/metrics</c>: lower-case names with underscores, without prefix; names ending in
    /// <c>_total</c> are counters, others gauges. A name may carry labels: <c>drops_total{reason="no_peer"}</c>.
    /// </summary>
    IReadOnlyDictionary<string, long> GetCounters();
}

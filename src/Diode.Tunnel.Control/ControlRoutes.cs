namespace Diode.Tunnel.Control;

/// <summary>The paths of the control API, shared by client and server.</summary>
public static class ControlRoutes
{
    /// <summary>GET → DaemonStatus.</summary>
    public const string Status = "/v1/status";

    /// <summary>GET → Identity.</summary>
    public const string Whoami = "/v1/whoami";

    /// <summary>POST → OperationResult.</summary>
    public const string Up = "/v1/up";

    /// <summary>POST → OperationResult.</summary>
    public const string Down = "/v1/down";

    /// <summary>POST PingRequest → PingResult per line.</summary>
    public const string Ping = "/v1/ping";

    /// <summary>GET → FleetList.</summary>
    public const string Fleets = "/v1/fleets";

    /// <summary>POST CreateFleetRequest → FleetResult.</summary>
    public const string FleetCreate = "/v1/fleets/create";

    /// <summary>POST AddMemberRequest → FleetResult.</summary>
    public const string FleetAdd = "/v1/fleets/add";

    /// <summary>POST RemoveMemberRequest → FleetResult.</summary>
    public const string FleetRemove = "/v1/fleets/remove";

    /// <summary>POST ManifestRequest → FleetResult.</summary>
    public const string FleetJoin = "/v1/fleets/join";

    /// <summary>POST LeaveFleetRequest → OperationResult.</summary>
    public const string FleetLeave = "/v1/fleets/leave";

    /// <summary>GET ?fleet= → ManifestDocument.</summary>
    public const string FleetExport = "/v1/fleets/export";

    /// <summary>POST ManifestRequest → FleetVerification.</summary>
    public const string FleetVerify = "/v1/fleets/verify";

    /// <summary>POST ChainActionRequest → ChainActionResult.</summary>
    public const string ChainAction = "/v1/chain/action";

    /// <summary>POST NameRequest → NameEntry.</summary>
    public const string ChainName = "/v1/chain/name";

    /// <summary>GET → PerimeterStatus.</summary>
    public const string Perimeter = "/v1/perimeter";

    /// <summary>POST JoinPerimeterRequest → PerimeterStatus.</summary>
    public const string PerimeterJoin = "/v1/perimeter/join";

    /// <summary>POST → OperationResult.</summary>
    public const string PerimeterLeave = "/v1/perimeter/leave";

    /// <summary>GET → PublishList.</summary>
    public const string Publish = "/v1/publish";

    /// <summary>POST AddPublishRequest → PublishList.</summary>
    public const string PublishAdd = "/v1/publish/add";

    /// <summary>POST RemovePublishRequest → PublishList.</summary>
    public const string PublishRemove = "/v1/publish/remove";

    /// <summary>GET → BindList.</summary>
    public const string Binds = "/v1/binds";

    /// <summary>POST AddBindRequest → BindList.</summary>
    public const string BindAdd = "/v1/binds/add";

    /// <summary>POST RemoveBindRequest → BindList.</summary>
    public const string BindRemove = "/v1/binds/remove";

    /// <summary>GET → ClearTextList.</summary>
    public const string ClearText = "/v1/cleartext";

    /// <summary>POST ClearTextRequest → ClearTextList.</summary>
    public const string ClearTextAllow = "/v1/cleartext/allow";

    /// <summary>POST ClearTextRequest → ClearTextList.</summary>
    public const string ClearTextDeny = "/v1/cleartext/deny";

    /// <summary>GET → ExitList.</summary>
    public const string Exits = "/v1/exits";

    /// <summary>POST UseExitRequest → ExitList.</summary>
    public const string ExitUse = "/v1/exits/use";

    /// <summary>POST → ExitList.</summary>
    public const string ExitOff = "/v1/exits/off";

    /// <summary>POST OfferExitRequest → ExitList.</summary>
    public const string ExitOffer = "/v1/exits/offer";

    /// <summary>POST → ExitList.</summary>
    public const string ExitUnoffer = "/v1/exits/unoffer";

    /// <summary>GET → TicketLedger.</summary>
    public const string Tickets = "/v1/tickets";

    /// <summary>POST TicketBudgetRequest → TicketLedger.</summary>
    public const string TicketBudget = "/v1/tickets/budget";

    /// <summary>POST → OperationResult.</summary>
    public const string Reset = "/v1/reset";

    /// <summary>GET → ControlEvent per line.</summary>
    public const string Events = "/v1/events";

    /// <summary>GET → Prometheus text.</summary>
    public const string Metrics = "/v1/metrics";
}

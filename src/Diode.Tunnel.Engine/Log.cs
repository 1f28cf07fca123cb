using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine;

/// <summary>Everything the device role logs. Ids 1000–1999. Nothing per packet; names and addresses of peers at Debug.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Error, "A piece of work of the engine failed")]
    public static partial void LoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(1001, LogLevel.Error, "The tunnel could not be brought up: {Reason}")]
    public static partial void UpFailed(ILogger logger, string reason);

    [LoggerMessage(1002, LogLevel.Warning, "A system change could not be undone and stays in the journal: {Reason}")]
    public static partial void UndoFailed(ILogger logger, string reason);

    [LoggerMessage(1003, LogLevel.Information, "Left by an earlier process: {Kind} of {Scope}: {Outcome}")]
    public static partial void ChangeRecovered(ILogger logger, string scope, string kind, string outcome);

    [LoggerMessage(1004, LogLevel.Information, "IPv4 addresses of peers come from {Pool} on this machine")]
    public static partial void OtherPool(ILogger logger, string pool);

    [LoggerMessage(1010, LogLevel.Information, "Connected to {Relay}")]
    public static partial void RelayReady(ILogger logger, string relay);

    [LoggerMessage(1011, LogLevel.Warning, "No session with {Relay}: {Reason}")]
    public static partial void RelayLost(ILogger logger, string relay, string reason);

    [LoggerMessage(1014, LogLevel.Information, "{Relay} says ({Level} {Code}): {Text}")]
    public static partial void RelayNotice(ILogger logger, string relay, string level, string code, string text);

    [LoggerMessage(1015, LogLevel.Information, "A peer is to be met at the relay {Relay}: connecting to it")]
    public static partial void RelayNeeded(ILogger logger, string relay);

    [LoggerMessage(1016, LogLevel.Warning, "The ticket ledger is not written: {Reason}")]
    public static partial void LedgerNotWritten(ILogger logger, string reason);

    [LoggerMessage(1012, LogLevel.Warning, "{Relay} did not take the ticket: {Reason}")]
    public static partial void TicketRejected(ILogger logger, string relay, string reason);

    [LoggerMessage(1020, LogLevel.Debug, "Refused port {Port} to {Device}: not a fleet device")]
    public static partial void PortRefused(ILogger logger, string device, string port);

    [LoggerMessage(1021, LogLevel.Debug, "Control channel with {Device} closed: {Reason}")]
    public static partial void LinkClosed(ILogger logger, string device, string reason);

    [LoggerMessage(1023, LogLevel.Debug, "Control channel with {Device} open; its port was opened {Where}")]
    public static partial void LinkOpen(ILogger logger, string device, string where);

    [LoggerMessage(1024, LogLevel.Debug, "{Device} was restarted, or is here for the first time")]
    public static partial void PeerRestarted(ILogger logger, string device);

    [LoggerMessage(1025, LogLevel.Debug, "{Device} is reached by {Path}")]
    public static partial void PathChosen(ILogger logger, string device, string path);

    [LoggerMessage(1022, LogLevel.Information, "{Device} is no longer a member: its sessions were cut")]
    public static partial void PeerExpelled(ILogger logger, string device);

    [LoggerMessage(1030, LogLevel.Warning, "Fleet manifests: {Reason}")]
    public static partial void ManifestProblem(ILogger logger, string reason);

    [LoggerMessage(1031, LogLevel.Warning, "Refused a manifest from {Device}: {Reason}")]
    public static partial void ManifestRefused(ILogger logger, string device, string reason);

    [LoggerMessage(1032, LogLevel.Information, "Renewed the manifest of fleet {Fleet}")]
    public static partial void FleetRenewed(ILogger logger, string fleet);

    [LoggerMessage(1033, LogLevel.Warning, "{Endpoint} is not believed about chains for some time: {Reason}")]
    public static partial void EndpointDoubted(ILogger logger, string endpoint, string reason);

    [LoggerMessage(1034, LogLevel.Information, "Writing to chain {Chain}: {Action}")]
    public static partial void ChainWrite(ILogger logger, string chain, string action);

    [LoggerMessage(1035, LogLevel.Information, "The perimeter {Perimeter} says something new: {What}")]
    public static partial void PerimeterRead(ILogger logger, string perimeter, string what);

    [LoggerMessage(1036, LogLevel.Warning, "The perimeter {Perimeter} can't be read: {Reason}")]
    public static partial void PerimeterNotRead(ILogger logger, string perimeter, string reason);

    [LoggerMessage(1037, LogLevel.Information, "The perimeter's interface {Interface} is up on UDP port {Port} with {Peers} peers")]
    public static partial void PerimeterInterfaceUp(ILogger logger, string @interface, int port, int peers);

    [LoggerMessage(1038, LogLevel.Information, "The perimeter's interface {Interface} is down")]
    public static partial void PerimeterInterfaceDown(ILogger logger, string @interface);

    [LoggerMessage(1039, LogLevel.Warning, "The perimeter's interface {Interface}: {Reason}")]
    public static partial void PerimeterInterfaceFailed(ILogger logger, string @interface, string reason);

    [LoggerMessage(1042, LogLevel.Debug, "The perimeter's peer {Device} is met at {Endpoint}")]
    public static partial void PerimeterPeerMet(ILogger logger, string device, string endpoint);

    [LoggerMessage(1040, LogLevel.Information, "Exit open: region {Region}, IPv4 by {Egress4}, IPv6 by {Egress6}")]
    public static partial void ExitOpened(ILogger logger, string region, string egress4, string egress6);

    [LoggerMessage(1041, LogLevel.Information, "Traffic leaves at {Device}, region {Region}")]
    public static partial void ExitConnected(ILogger logger, string device, string region);

    [LoggerMessage(1050, LogLevel.Warning, "Names: {Reason}")]
    public static partial void NamesProblem(ILogger logger, string reason);

    [LoggerMessage(1051, LogLevel.Debug, "{Name} can't be looked up on chain {Chain}: {Reason}")]
    public static partial void NameNotRead(ILogger logger, string name, string chain, string reason);

    [LoggerMessage(1060, LogLevel.Information, "A port of {Device} was closed: its local reader is too slow and held up the relay session")]
    public static partial void SlowReader(ILogger logger, string device);

    [LoggerMessage(1061, LogLevel.Debug, "Refused port {Port} to {Device}: {Reason}")]
    public static partial void PlainRefused(ILogger logger, string device, string port, string reason);

    [LoggerMessage(1062, LogLevel.Debug, "Port {Port} opened by {Device} is over: {Reason}")]
    public static partial void PlainClosed(ILogger logger, string device, string port, string reason);

    [LoggerMessage(1063, LogLevel.Warning, "A port of {Device} failed")]
    public static partial void PlainFailed(ILogger logger, Exception exception, string device);
}

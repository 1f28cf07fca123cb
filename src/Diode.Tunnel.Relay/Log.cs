using System.Net;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Sessions;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay;

internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Information, "Relay {Relay} is ready")]
    public static partial void Ready(ILogger logger, string relay);

    [LoggerMessage(2001, LogLevel.Information, "Listening for devices on {Endpoint}")]
    public static partial void Listening(ILogger logger, EndPoint endpoint);

    [LoggerMessage(2150, LogLevel.Information, "Serving JSON-RPC on {Endpoint}")]
    public static partial void ServingRpc(ILogger logger, EndPoint endpoint);

    [LoggerMessage(2151, LogLevel.Information, "Serving metrics on {Endpoint}")]
    public static partial void ServingMetrics(ILogger logger, EndPoint endpoint);

    [LoggerMessage(
        2152,
        LogLevel.Information,
        "No --chain glmr=URL (a JSON-RPC endpoint of Moonbeam): own devices work, but plain Elixir clients cannot read the chain's newest block here, "
        + "hand in no ticket and are cut after 20 seconds")]
    public static partial void NoMoonbeam(ILogger logger);

    [LoggerMessage(
        2153,
        LogLevel.Information,
        "No --chain diode=URL (a JSON-RPC endpoint of the Diode L1): own devices work, but plain Go clients cannot check the chain here and leave")]
    public static partial void NoDiodeChain(ILogger logger);

    [LoggerMessage(2002, LogLevel.Information, "Created a new relay key in {File}")]
    public static partial void KeyCreated(ILogger logger, string file);

    [LoggerMessage(2003, LogLevel.Information, "Relay stopped; {Sessions} sessions were closed")]
    public static partial void Stopped(ILogger logger, int sessions);

    [LoggerMessage(2010, LogLevel.Debug, "Session of {Device} opened")]
    public static partial void SessionOpened(ILogger logger, Address device);

    [LoggerMessage(2011, LogLevel.Debug, "Session of {Device} closed: {Reason}")]
    public static partial void SessionClosed(ILogger logger, Address device, CloseReason reason);

    [LoggerMessage(2012, LogLevel.Debug, "Handshake failed: {Reason}")]
    public static partial void HandshakeFailed(ILogger logger, string reason);

    [LoggerMessage(2013, LogLevel.Debug, "Bad frame from {Device}: {Reason}")]
    public static partial void BadFrame(ILogger logger, Address device, string reason);

    [LoggerMessage(2020, LogLevel.Warning, "Could not accept a connection: {Reason}")]
    public static partial void AcceptFailed(ILogger logger, string reason);

    [LoggerMessage(2021, LogLevel.Error, "A connection ended by an internal error")]
    public static partial void ConnectionFailed(ILogger logger, Exception exception);

    [LoggerMessage(2022, LogLevel.Error, "The relay's timer ended by an internal error")]
    public static partial void TimerFailed(ILogger logger, Exception exception);

    [LoggerMessage(2030, LogLevel.Error, "Tickets are kept in memory only and lost on a restart: {Reason}")]
    public static partial void TicketsInMemory(ILogger logger, string reason);

    [LoggerMessage(2031, LogLevel.Error, "{Count} tickets could not be written, trying again: {Reason}")]
    public static partial void TicketsNotWritten(ILogger logger, int count, string reason);

    [LoggerMessage(2033, LogLevel.Warning, "What devices have used could not be written, what they have paid counts as used after the next start: {Reason}")]
    public static partial void UsageNotWritten(ILogger logger, string reason);

    [LoggerMessage(2032, LogLevel.Warning, "{Count} tickets in {File} are unreadable and ignored")]
    public static partial void TicketsUnreadable(ILogger logger, int count, string file);

    [LoggerMessage(2040, LogLevel.Information, "Listening for relays on {Endpoint}")]
    public static partial void ListeningForRelays(ILogger logger, EndPoint endpoint);

    [LoggerMessage(2041, LogLevel.Warning, "No other relay can connect to this one: {Reason}")]
    public static partial void NotListeningForRelays(ILogger logger, string reason);

    [LoggerMessage(2042, LogLevel.Information, "Link {Direction} relay {Relay} is up")]
    public static partial void LinkOpened(ILogger logger, Address relay, string direction);

    [LoggerMessage(2043, LogLevel.Information, "Link with relay {Relay} is down: {Reason}")]
    public static partial void LinkClosed(ILogger logger, Address relay, RelayPeers.PeerCloseReason reason);

    [LoggerMessage(2044, LogLevel.Debug, "Relay {Relay} at {Host}:{Port} cannot be reached: {Reason}")]
    public static partial void DialFailed(ILogger logger, Address relay, string host, int port, string reason);

    [LoggerMessage(2045, LogLevel.Warning, "{Host}:{Port} is not relay {Expected} but {Found}")]
    public static partial void WrongRelay(ILogger logger, string host, int port, Address expected, Address found);

    [LoggerMessage(2046, LogLevel.Debug, "Handshake with a relay failed: {Reason}")]
    public static partial void LinkHandshakeFailed(ILogger logger, string reason);

    [LoggerMessage(2047, LogLevel.Error, "A link ended by an internal error")]
    public static partial void LinkFailed(ILogger logger, Exception exception);

    [LoggerMessage(2048, LogLevel.Error, "Relays and objects are kept in memory only: {Reason}")]
    public static partial void PeersInMemory(ILogger logger, string reason);

    [LoggerMessage(2049, LogLevel.Error, "Relays and objects could not be written, trying again: {Reason}")]
    public static partial void PeersNotWritten(ILogger logger, string reason);

    [LoggerMessage(2050, LogLevel.Information, "The ring has {Count} members")]
    public static partial void RingChanged(ILogger logger, int count);

    [LoggerMessage(2090, LogLevel.Warning,
        "libsecp256k1 was not found or not usable: handshakes and tickets take twice the processor time (Debian: apt install libsecp256k1-1)")]
    public static partial void SlowCurve(ILogger logger);

    [LoggerMessage(2080, LogLevel.Information, "WireGuard exit on UDP port {Port}, adapter {Adapter}")]
    public static partial void ExitUp(ILogger logger, int port, string adapter);

    [LoggerMessage(2081, LogLevel.Error, "No WireGuard exit at the moment: {Reason}")]
    public static partial void ExitDown(ILogger logger, string reason);

    [LoggerMessage(2082, LogLevel.Information, "{Count} WireGuard clients of the last run may go on")]
    public static partial void ExitClientsRestored(ILogger logger, int count);

    [LoggerMessage(2083, LogLevel.Warning, "The list of WireGuard clients {File} is unreadable and ignored")]
    public static partial void ExitClientsUnreadable(ILogger logger, string file);

    [LoggerMessage(2084, LogLevel.Error, "The list of WireGuard clients could not be written, trying again: {Reason}")]
    public static partial void ExitClientsNotWritten(ILogger logger, string reason);

    [LoggerMessage(2085, LogLevel.Error, "Not every change for the WireGuard exit could be taken back; the next start tries again: {Reason}")]
    public static partial void ExitNotTakenDown(ILogger logger, string reason);

    [LoggerMessage(2086, LogLevel.Warning, "Took back {Count} changes of the system that the last run left")]
    public static partial void ChangesRecovered(ILogger logger, int count);

    [LoggerMessage(2087, LogLevel.Information, "{Service} on UDP port {Port}")]
    public static partial void TurnUp(ILogger logger, string service, int port);

    [LoggerMessage(2088, LogLevel.Warning, "No STUN, devices do not learn their addresses here: {Reason}")]
    public static partial void StunMissing(ILogger logger, string reason);
}

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>What is remembered about reaching a relay.</summary>
/// <param name="LastSeenMs">When it last said something, unix milliseconds; null for never.</param>
/// <param name="Failures">Failed attempts since then.</param>
/// <param name="NextRetryMs">Not to be tried before.</param>
/// <param name="LastErrorMs">When an attempt last failed; null for never.</param>
/// <param name="LostMs">Since when it has been away; null while it is there, or was never.</param>
/// <param name="Flaps">Links in a row that ended soon after they came up.</param>
internal readonly record struct PeerContact(
    long? LastSeenMs, int Failures, long NextRetryMs, long? LastErrorMs = null, long? LostMs = null, int Flaps = 0);

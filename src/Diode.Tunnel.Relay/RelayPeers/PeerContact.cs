namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>What is remembered about reaching a relay.</summary>
/// <param name="LastSeenMs">When it last said something, unix milliseconds; null for never.</param>
/// <param name="Failures">Failed attempts since then.</param>
/// <param name="NextRetryMs">Not to be tried before.</param>
internal readonly record struct PeerContact(long? LastSeenMs, int Failures, long NextRetryMs);

using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>A relay as this one knows it, for <c>dio_network</c>.</summary>
/// <param name="Address">Its key.</param>
/// <param name="IsLocal">This relay itself.</param>
/// <param name="IsConnected">A link to it is up.</param>
/// <param name="IsMember">It is on the ring: its word counts as a replica.</param>
/// <param name="LastSeenMs">When it last said something, unix milliseconds; null for never.</param>
/// <param name="LastErrorMs">When it last could not be reached, unix milliseconds; null for never.</param>
/// <param name="Failures">Attempts in a row that failed.</param>
/// <param name="Server">Its description, null when it was never seen.</param>
internal sealed record NetworkNode(
    Address Address,
    bool IsLocal,
    bool IsConnected,
    bool IsMember,
    long? LastSeenMs,
    long? LastErrorMs,
    int Failures,
    ServerObject? Server);

using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// The other relays as the rest of this relay sees them: objects, devices and messages beyond this machine. Null in
/// <see cref="RelayCore"/> when the relay stands alone. Thread-safe; nothing blocks, nothing throws for what others sent,
/// and no call calls back into its caller before it returned.
/// </summary>
internal interface IObjectNetwork
{
    /// <summary>
    /// The newest object of a key: the one held here, else what the replicas know (about 800 ms at most).
    /// </summary>
    /// <param name="key">Object key as in <c>getobject</c>: an address, or the 32 bytes of a channel or data object.</param>
    /// <param name="cancel">The asker is gone.</param>
    /// <returns>The object as an encoded RLP list, or null.</returns>
    ValueTask<byte[]?> FindObjectAsync(ReadOnlyMemory<byte> key, CancellationToken cancel);

    /// <summary>The server object of a relay as an encoded RLP list, or null.</summary>
    ValueTask<byte[]?> FindNodeAsync(Address relay, CancellationToken cancel);

    /// <summary>
    /// The relays nearest to a key whose server object is known, as encoded RLP lists; at most three, never this relay.
    /// </summary>
    IReadOnlyList<byte[]> NearestNodes(ReadOnlySpan<byte> key);

    /// <summary>All relays that are known, this one first; for <c>dio_network</c>.</summary>
    IReadOnlyList<NetworkNode> ListNodes();

    /// <summary>
    /// An accepted, countersigned ticket of a device: given to its replicas at once and then every 15 s at most.
    /// </summary>
    void Publish(Ticket ticket);

    /// <summary>
    /// Hands a message for a device that is not connected here to the relays that its ticket names. False when that is
    /// not even tried (too many are under way); whether it arrives is never told, as senders never hear of it.
    /// </summary>
    /// <param name="device">The receiver.</param>
    /// <param name="payload">The message.</param>
    /// <param name="metadata">One encoded RLP item.</param>
    bool TryForwardMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata);

    /// <summary>
    /// Opens a port to a device that is connected to another relay (flag <c>p</c>): finds its ticket, reaches the relay
    /// named in it, asks there. Ends with exactly one of <see cref="IRemotePortEnd.OnOpened"/> and
    /// <see cref="IRemotePortEnd.OnFailed"/>, from another thread; a relay that is asked has 35 s to answer.
    /// </summary>
    /// <param name="device">The device that is to accept.</param>
    /// <param name="opener">The device that asks.</param>
    /// <param name="name">Port name, without leading zeros, not empty.</param>
    /// <param name="end">Our end, i.e. the opener's session.</param>
    void OpenRemotePort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end);
}

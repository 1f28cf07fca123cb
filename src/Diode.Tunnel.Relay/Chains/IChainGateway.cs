using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>
/// The chains as the relay reads them, through JSON-RPC upstreams: values are as true as the upstream, nothing is
/// proven. Thread-safe; no call throws for what an upstream or a client sent.
/// </summary>
internal interface IChainGateway
{
    /// <summary>
    /// Whether commands with this prefix are understood (diode-edge §3.5); the empty prefix is the Diode L1. A known
    /// chain without an upstream is active too: its commands are answered with errors.
    /// </summary>
    bool IsActive(ReadOnlySpan<byte> prefix);

    /// <summary>Whether this chain can be read, i.e. has an upstream that proved to be of this chain.</summary>
    bool IsReadable(ulong chainId);

    /// <summary>Executes a chain command (diode-edge §3.4, §3.5).</summary>
    /// <param name="prefix">Without colon; empty for the Diode L1.</param>
    /// <param name="command">The encoded list <c>[command, argument…]</c>, the command without prefix.</param>
    /// <param name="cancel">The asker is gone.</param>
    /// <returns>The encoded answer, <c>["response", …]</c> or <c>["error", …]</c>.</returns>
    ValueTask<byte[]> HandleCommandAsync(string prefix, ReadOnlyMemory<byte> command, CancellationToken cancel);

    /// <summary>The newest block seen; false when none was.</summary>
    bool TryGetPeak(ulong chainId, out ChainPeak peak);

    /// <summary>The hash of a block, if it is in memory; see <see cref="GetBlockHashAsync"/>.</summary>
    bool TryGetBlockHash(ulong chainId, ulong number, out Hash256 hash);

    /// <summary>The hash of a block; null when there is no such block or it cannot be read.</summary>
    ValueTask<Hash256?> GetBlockHashAsync(ulong chainId, ulong number, CancellationToken cancel);

    /// <summary>Calls a contract at the newest block; null when it reverts or cannot be read.</summary>
    ValueTask<byte[]?> EthCallAsync(
        ulong chainId, Address to, ReadOnlyMemory<byte> data, CancellationToken cancel);

    /// <summary>Whether an address is a fleet contract and registered (diode-objects §4.6 step 4).</summary>
    ValueTask<FleetStanding> CheckFleetAsync(ulong chainId, Address fleet, CancellationToken cancel);

    /// <summary>Whether a fleet lists a device (<c>DeviceAllowlist</c>); null when it cannot be read.</summary>
    ValueTask<bool?> IsDeviceAllowedAsync(ulong chainId, Address fleet, Address device, CancellationToken cancel);

    /// <summary>Whether <see cref="Subscribe"/> works for a prefix.</summary>
    bool CanSubscribe(string prefix);

    /// <summary>
    /// Tells <paramref name="subscriber"/> about new blocks, beginning with the newest one, until the result is
    /// disposed. Null when the chain is not read.
    /// </summary>
    IDisposable? Subscribe(string prefix, IChainSubscriber subscriber);
}

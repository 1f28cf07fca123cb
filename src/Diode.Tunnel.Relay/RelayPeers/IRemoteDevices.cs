using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>What other relays may ask of the devices that are connected to this one. Called without locks.</summary>
internal interface IRemoteDevices
{
    /// <summary>Delivers a message to every session of a device; false when it has none here.</summary>
    /// <param name="device">The receiver.</param>
    /// <param name="payload">The message.</param>
    /// <param name="metadata">One encoded RLP item.</param>
    bool DeliverMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata);

    /// <summary>
    /// Asks a device for a port on behalf of a device elsewhere. The answer is <see cref="IRemotePort.Confirm"/> or
    /// <see cref="IRemotePort.Refuse"/>, at once or later.
    /// </summary>
    /// <param name="port">The other end of the port.</param>
    /// <param name="device">The device that is to accept.</param>
    /// <param name="opener">The device that asks.</param>
    /// <param name="name">Port name, without leading zeros, not empty.</param>
    /// <param name="nowMs">Unix milliseconds.</param>
    /// <param name="end">The end that is on this relay.</param>
    /// <returns>The reason of a refusal; empty when the device was asked and <paramref name="end"/> is set.</returns>
    string OpenPort(
        IRemotePort port, Address device, Address opener, ReadOnlySpan<byte> name, long nowMs, out IRemotePortEnd? end);
}

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>Connections of devices that are no Edge sessions: WebSockets. Thread-safe; must not block.</summary>
internal interface IDeviceListeners
{
    /// <summary>Delivers a message to all of a device; false when it has none.</summary>
    bool Deliver(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata);
}

using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// One open relay port between this device and another. Who the other is remains the relay's claim until a key proves it: WireGuard for
/// a tunnel port, the E2E certificate for a control port.
/// </summary>
internal sealed class RelayPort(RelayConnection relay, PortRef reference, RelayPortUse use, Address device, bool opener) : IControlPort
{
    /// <summary>The session that carries the port.</summary>
    public RelayConnection Relay { get; } = relay;

    /// <summary>The port's reference on the wire.</summary>
    public PortRef Reference { get; } = reference;

    /// <summary>What the port carries.</summary>
    public RelayPortUse Use { get; } = use;

    /// <summary>The device at the far end, as the relay says.</summary>
    public Address Device { get; } = device;

    /// <summary>True if this device opened the port.</summary>
    public bool Opener { get; } = opener;

    /// <summary>The way that a tunnel port gives; null for control ports.</summary>
    public RelayStreamPath? Path { get; } = use == RelayPortUse.Tunnel ? new RelayStreamPath(relay, reference, device) : null;

    /// <summary>Splits a tunnel port's bytes into datagrams; used under the session's lock only.</summary>
    public DatagramStreamReader Datagrams { get; } = new();

    /// <summary>What a stream port has received; null for the others.</summary>
    public PortInbox? Inbox { get; init; }

    /// <summary>Anything the owner keeps with the port.</summary>
    public object? Owner { get; set; }

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> data)
    {
        Relay.SendReliable(Reference, data);
    }

    /// <inheritdoc/>
    public void Close()
    {
        Relay.ClosePort(this);
    }
}

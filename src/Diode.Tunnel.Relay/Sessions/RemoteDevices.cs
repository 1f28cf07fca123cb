using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>What other relays may ask of the devices that are connected to this one.</summary>
internal sealed class RemoteDevices(RelayCore core) : IRemoteDevices
{
    /// <inheritdoc/>
    public bool DeliverMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        return core.DeliverMessage(device, payload, metadata);
    }

    /// <inheritdoc/>
    public string OpenPort(
        IRemotePort port, Address device, Address opener, ReadOnlySpan<byte> name, long nowMs, out IRemotePortEnd? end)
    {
        end = null;
        string refusal = core.Directory.FindOldest(device) is RelaySession target
            ? core.Ports.OpenForRemote(target, port, opener, name, nowMs, out end)
            : "not found";
        if (refusal.Length == 0)
        {
            core.Counters.PortOpened();
        }
        else
        {
            core.Counters.PortOpenRefused();
        }

        return refusal;
    }
}

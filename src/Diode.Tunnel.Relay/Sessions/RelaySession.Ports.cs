using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Channels;
using Diode.Tunnel.Relay.Ports;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Ports (diode-edge §3.6, §3.7, §3.9).</content>
internal sealed partial class RelaySession
{
    // Name and flags are passed on as they are.
    private const int MaxPhysicalText = 1024;

    /// <inheritdoc/>
    public void OnPortOpen(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        ReadOnlySpan<byte> error = _budget.TryTakeOpen(nowMs)
            ? TryOpen(id, device, port, flags, nowMs)
            : "too many port opens"u8;
        if (error.IsEmpty)
        {
            _core.Counters.PortOpened();
        }
        else
        {
            _core.Counters.PortOpenRefused();
            Edge.ReplyError(id, error);
        }
    }

    /// <inheritdoc/>
    public void OnPortConfirmed(uint portRef, long nowMs)
    {
        // Physical ports and refs, which begin above them, are answered alike.
        if (portRef > ushort.MaxValue || !_core.PhysicalPorts.Confirm(this, (ushort)portRef, nowMs))
        {
            _core.Ports.Confirm(this, portRef);
        }
    }

    /// <inheritdoc/>
    public void OnPortDenied(uint portRef, ReadOnlySpan<byte> reason)
    {
        if (portRef > ushort.MaxValue || !_core.PhysicalPorts.Deny(this, (ushort)portRef))
        {
            _core.Ports.Deny(this, portRef, reason);
        }
    }

    /// <inheritdoc/>
    public PortSendStatus OnPortSend(uint portRef, ReadOnlySpan<byte> data, long nowMs)
    {
        PortSendStatus status = _core.Ports.Send(this, portRef, data, nowMs);
        if (status == PortSendStatus.Accepted)
        {
            _core.Counters.Relayed(data.Length);
        }
        else if (status == PortSendStatus.Blocked)
        {
            _core.Counters.Throttled();
        }
        else
        {
            _core.Counters.ForeignRef();
        }

        return status;
    }

    /// <inheritdoc/>
    public bool OnPortClose(uint portRef)
    {
        return _core.Ports.Close(this, portRef);
    }

    /// <inheritdoc/>
    public void OnPortOpen2(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        ReadOnlySpan<byte> error = _budget.TryTakeOpen(nowMs)
            ? TryOpenPhysical(id, device, port, flags, nowMs)
            : "too many port opens"u8;
        if (error.IsEmpty)
        {
            _core.Counters.PhysicalPortOpened();
        }
        else
        {
            _core.Counters.PortOpenRefused();
            Edge.ReplyError(id, error);
        }
    }

    /// <inheritdoc/>
    public void OnPortClose2(ushort physicalPort)
    {
        _core.PhysicalPorts.Close(Device, physicalPort);
    }

    private ReadOnlySpan<byte> TryOpenPhysical(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        if (!Address.TryRead(device, out Address address))
        {
            return "invalid device id"u8;
        }

        if (address == Device)
        {
            return "can't connect to yourself"u8;
        }

        if (port.Length + flags.Length > MaxPhysicalText)
        {
            return "invalid port"u8;
        }

        return _core.Directory.FindOldest(address) is RelaySession target
            ? _core.PhysicalPorts.Open(this, target, id, port, flags, nowMs)
            : System.Text.Encoding.ASCII.GetBytes($"No listener found for device address {address}");
    }

    // The order of the checks decides which text a request with several faults gets (diode-edge §3.6).
    private ReadOnlySpan<byte> TryOpen(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flagText, long nowMs)
    {
        bool isDevice = Address.TryRead(device, out Address address);
        if (isDevice && address == Device)
        {
            return "can't connect to yourself"u8;
        }

        if (!PortFlags.TryParse(flagText, out PortFlags flags))
        {
            return "invalid flags"u8;
        }

        if (device.Length == Hash256.Length)
        {
            return _core.Channels.Find(device, nowMs) is Channel channel
                ? _core.Ports.OpenChannel(this, channel, id, flags, nowMs)
                : "not found"u8;
        }

        if (!isDevice)
        {
            return "invalid device id"u8;
        }

        if (_core.Directory.FindOldest(address) is RelaySession target)
        {
            return _core.Ports.Open(this, target, id, port, flags, nowMs);
        }

        return flags.Forwarded && _core.Network is IObjectNetwork network
            ? _core.Ports.OpenRemote(this, address, id, port, flags, network, nowMs)
            : "not found"u8;
    }
}

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>Binds sockets. Called under the lock of the <see cref="PhysicalPortTable"/>.</summary>
internal interface IPhysicalSocketFactory
{
    /// <summary>Binds a free port; null when the system has none.</summary>
    /// <param name="port">Told about peers and bytes.</param>
    /// <param name="onEnd">Called once when the socket ended for whatever reason, if it was started.</param>
    IPhysicalSocket? TryBind(PhysicalPort port, Action<PhysicalPort> onEnd);
}

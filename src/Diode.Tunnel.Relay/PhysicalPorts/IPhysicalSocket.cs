namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>A bound socket of a <see cref="PhysicalPort"/>. It calls back from its own threads.</summary>
internal interface IPhysicalSocket
{
    /// <summary>The port it is bound to.</summary>
    ushort Number { get; }

    /// <summary>Begins to accept the two peers. Until then they wait in the queue of the system.</summary>
    void Start();

    /// <summary>Ends it, also before <see cref="Start"/>; idempotent.</summary>
    void Close();
}

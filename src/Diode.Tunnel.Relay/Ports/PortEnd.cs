using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Ports;

/// <summary>One session's end of a port, known to it by <see cref="Ref"/>. Immutable.</summary>
internal sealed class PortEnd(RelaySession session, uint portRef, RelayPort port, bool canSend, bool canReceive)
{
    public RelaySession Session { get; } = session;

    public uint Ref { get; } = portRef;

    public RelayPort Port { get; } = port;

    /// <summary>Whether data from this end is delivered (flag <c>w</c>; always for the target).</summary>
    public bool CanSend { get; } = canSend;

    /// <summary>Whether data from the other end is delivered to this one (flag <c>r</c>).</summary>
    public bool CanReceive { get; } = canReceive;

    public bool IsTarget => ReferenceEquals(Port.Target, this);
}

using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>State of one conversation. Lives inside the table, changed under its stripe's lock.</summary>
internal struct Flow
{
    public FlowKey Key;
    public long LastSeen;
    public int Epoch;
    public FlowState State;

    public readonly bool IsUsed => State != FlowState.None;

    public readonly bool Has(FlowState flags)
    {
        return (State & flags) == flags;
    }

    /// <summary>Notes a packet: time, answer seen, and how far a TCP connection is.</summary>
    public void Note(in IpPacket packet, bool fromRemote, long now)
    {
        LastSeen = now;
        bool fromOpener = fromRemote == Has(FlowState.OpenedByRemote);
        if (!fromOpener)
        {
            State |= FlowState.Answered;
        }

        if (packet.Protocol != IpProtocol.Tcp)
        {
            return;
        }

        if ((packet.Flags & TcpFlags.Rst) != 0)
        {
            State |= FlowState.Reset;
        }
        else if ((packet.Flags & TcpFlags.Fin) != 0)
        {
            State |= fromRemote ? FlowState.RemoteFin : FlowState.LocalFin;
        }
    }

    /// <summary>Idle ticks after which the flow is forgotten.</summary>
    public readonly long Timeout(in FlowTimeouts timeouts)
    {
        return Key.Protocol switch
        {
            IpProtocol.Udp => timeouts.Udp,
            IpProtocol.Tcp when Has(FlowState.Revoked) => timeouts.Tcp,
            IpProtocol.Tcp when Has(FlowState.Reset)
                || Has(FlowState.LocalFin | FlowState.RemoteFin) => timeouts.TcpClosed,
            IpProtocol.Tcp => Has(FlowState.Answered) ? timeouts.Tcp : timeouts.TcpOpening,
            _ => timeouts.Other,
        };
    }
}

/// <summary>What is known of a flow.</summary>
[Flags]
internal enum FlowState : byte
{
    None = 0,
    Used = 1,
    OpenedByRemote = 2,
    Answered = 4,
    LocalFin = 8,
    RemoteFin = 16,
    Reset = 32,

    /// <summary>Was allowed once; kept so that packets of this machine can't reopen it.</summary>
    Revoked = 64,
}

/// <summary>Timeouts in ticks.</summary>
internal readonly record struct FlowTimeouts(long Tcp, long TcpOpening, long TcpClosed, long Udp, long Other);

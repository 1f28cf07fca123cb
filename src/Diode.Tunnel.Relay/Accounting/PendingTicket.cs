using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>A submitted version 1 ticket that waits for the hash of its block: a copy that outlives the frame.</summary>
internal sealed class PendingTicket(in TicketSubmission ticket)
{
    private readonly Diode.Tunnel.Ethereum.Address _fleet = ticket.Fleet;
    private readonly ulong _connections = ticket.Connections;
    private readonly ulong _bytes = ticket.Bytes;
    private readonly byte[] _localAddress = ticket.LocalAddress.ToArray();
    private readonly byte[] _signature = ticket.Signature.ToArray();

    public ulong ChainId { get; } = ticket.ChainId;

    public ulong BlockNumber { get; } = ticket.EpochOrBlock;

    public TicketSubmission ToSubmission()
    {
        return new TicketSubmission
        {
            IsVersion2 = false,
            ChainId = ChainId,
            EpochOrBlock = BlockNumber,
            Fleet = _fleet,
            Connections = _connections,
            Bytes = _bytes,
            LocalAddress = _localAddress,
            Signature = _signature,
        };
    }
}

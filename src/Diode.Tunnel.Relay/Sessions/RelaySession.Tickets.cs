using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Tickets, and the warnings about their fleets (diode-edge §3.3, §3.14).</content>
internal sealed partial class RelaySession
{
    private const ulong ResettingVersion = 1000;
    private const ulong NotifiesAbove = 1001;

    /// <inheritdoc/>
    public void OnTicket(in RequestId id, in TicketSubmission ticket, long nowMs)
    {
        if (!_budget.TryTakeTicket(nowMs))
        {
            _core.Counters.TicketRefused();
            Edge.ReplyError(id, "too many tickets"u8);
            return;
        }

        if (!ticket.IsVersion2 && _core.Chains is IChainGateway chains && chains.IsReadable(ticket.ChainId)
            && !chains.TryGetBlockHash(ticket.ChainId, ticket.EpochOrBlock, out _))
        {
            JudgeLater(id, new PendingTicket(ticket), chains, nowMs);
            return;
        }

        Judge(id, ticket, _core.FindBlockHash(ticket.ChainId, ticket.EpochOrBlock), nowMs);
    }

    // The block that a version 1 ticket names has to be asked for.
    private void JudgeLater(RequestId id, PendingTicket ticket, IChainGateway chains, long nowMs)
    {
        AnswerLater(id, async cancel =>
        {
            Hash256? hash = await chains.GetBlockHashAsync(ticket.ChainId, ticket.BlockNumber, cancel);
            Judge(id, ticket.ToSubmission(), hash, nowMs);
        });
    }

    private void Judge(in RequestId id, in TicketSubmission ticket, Hash256? blockHash, long nowMs)
    {
        bool resetsUsage = Edge.Version == ResettingVersion && _acceptedMs == 0;
        TicketVerdict verdict = _core.Tickets.Judge(Account, ticket, blockHash, resetsUsage, nowMs);
        if (verdict.Kind == TicketVerdictKind.Accepted)
        {
            _core.Counters.TicketAccepted();
            lock (_ticketGate)
            {
                _acceptedMs = Math.Max(nowMs, 1);
                _deadlineMs = 0;
            }
        }
        else
        {
            _core.Counters.TicketRefused();
        }

        if (verdict.Kind == TicketVerdictKind.Refused)
        {
            Edge.ReplyError(id, verdict.Error);
            return;
        }

        var writer = new RlpWriter();
        verdict.WriteReply(writer);
        Edge.ReplyEncoded(id, writer.WrittenSpan);
        if (verdict.Kind == TicketVerdictKind.Accepted)
        {
            CheckFleet(ticket.ChainId, ticket.Fleet, nowMs);
        }
    }

    // Unknown fleets only get a warning, and only clients that understand it are worth asking the chain for.
    private void CheckFleet(ulong chainId, Address fleet, long nowMs)
    {
        if (Edge.Version <= NotifiesAbove
            || _core.Chains is not IChainGateway chains
            || !Account.TryBeginFleetCheck(chainId, fleet, nowMs))
        {
            return;
        }

        AnswerLater(null, async cancel =>
        {
            switch (await chains.CheckFleetAsync(chainId, fleet, cancel))
            {
                case FleetStanding.NotRegistered:
                    Edge.SendNotify("warning", "fleet_not_found", "Fleet is not registered on this chain");
                    break;
                case FleetStanding.NotAContract:
                    Edge.SendNotify("warning", "invalid_fleet_contract", "Fleet address is not a contract");
                    break;
            }
        });
    }
}

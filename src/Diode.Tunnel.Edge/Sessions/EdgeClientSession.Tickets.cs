using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>
/// Paying. The packet path compares one number (<see cref="CheckTicketMark"/>); a ticket is made when the mark is passed, when the relay
/// asks, and when time makes one due. With <see cref="EdgeClientOptions.OwnerSigns"/> it is signed by the owner, wherever it likes.
/// </content>
public sealed partial class EdgeClientSession
{
    /// <summary>How long a block dates tickets of version 1; clients take such a ticket for fresh during 3,840 blocks.</summary>
    private const long BlockFreshMs = 10 * 60 * 1000;

    private ulong _peak;
    private long _blockTime;
    private bool _ticketDue;

    /// <summary>How this session stands with its tickets.</summary>
    public TicketStatus GetTicketStatus()
    {
        return _tickets.GetStatus(Moved);
    }

    /// <summary>Changes the most bytes that tickets of an epoch may sign for; null lifts the limit.</summary>
    public void SetTicketBudget(ulong? bytes)
    {
        if (_tickets.SetBudget(bytes, Moved) && _started)
        {
            TicketDue();
        }
    }

    /// <summary>
    /// Names the two nearest relays: where this device is to be met. A ticket that says so follows, 15 s after the one before at the
    /// earliest.
    /// </summary>
    public void SetRelays(Address? primary, Address? secondary)
    {
        _tickets.SetRelays(primary, secondary);
    }

    /// <summary>Asks the relay what it has counted, for the ledger: its answer shows in the ticket status. No event follows.</summary>
    public void AskUnpaidBytes()
    {
        _writer.WriteCommand(_requests.Add(RequestKind.UnpaidBytes, Deadline()), EdgeCommands.Bytes);
    }

    /// <summary>
    /// With <see cref="EdgeClientOptions.OwnerSigns"/>, after OnTicketDue: the ticket to be signed, or null when there is nothing to
    /// sign (OnTicketRejected says why). Follow it up with <see cref="SubmitTicket"/>.
    /// </summary>
    public Ticket? MakeTicket(long unixTimeMs)
    {
        if (!_ticketDue || _tickets.IsInFlight || Failure is not null)
        {
            return null;
        }

        _now = unixTimeMs;
        _ticketDue = false;
        Ticket? ticket = _tickets.Make(_now, Moved, out string refusal);
        if (ticket is null)
        {
            _events.OnTicketRejected(refusal);
        }

        return ticket;
    }

    /// <summary>Sends a ticket from <see cref="MakeTicket"/>, once it is signed.</summary>
    public void SubmitTicket(Ticket ticket)
    {
        if (Failure is null && !_writer.WriteTicket(_requests.Add(RequestKind.Ticket, Deadline()), ticket))
        {
            Fail("a ticket is too long for a frame");
        }
    }

    private void CheckTicketMark()
    {
        if (Moved >= _tickets.Mark && _started)
        {
            TicketDue();
        }
    }

    /// <summary>A ticket is wanted now. One at a time: what is due meanwhile is seen when the answer comes.</summary>
    private void TicketDue()
    {
        if (_ticketDue || _tickets.IsInFlight || Failure is not null)
        {
            return;
        }

        if (_tickets.UsesVersion1 && (_tickets.Block is null || _now - _blockTime > BlockFreshMs))
        {
            AskForBlock();
            return;
        }

        _ticketDue = true;
        if (_options.OwnerSigns)
        {
            _events.OnTicketDue();
        }
        else if (MakeTicket(_now) is Ticket ticket)
        {
            SubmitTicket(ticket.Sign(_device));
        }
    }

    private void AskForBlock()
    {
        if (_requests.BlockRequests == 0)
        {
            _writer.WriteCommand(_requests.Add(RequestKind.BlockPeak, Deadline()), "getblockpeak"u8);
        }
    }

    /// <summary>The block is by the relay's word: a wrong one makes a ticket that only this relay could have wanted.</summary>
    private void HandleBlockReply(RequestKind kind, in EdgeReply reply)
    {
        if (kind == RequestKind.BlockPeak && EdgeAnswers.TryReadNumber(reply, out _peak) && _peak > 0)
        {
            uint id = _requests.Add(RequestKind.BlockHeader, Deadline());
            _writer.Begin(id, "getblockheader"u8).WriteUInt64(_peak);
            _writer.End();
        }
        else if (kind == RequestKind.BlockHeader
            && EdgeAnswers.TryReadPair(reply, "block_hash"u8, out ReadOnlySpan<byte> value)
            && value.Length == Hash256.Length)
        {
            _tickets.Block = (_peak, new Hash256(value));
            _blockTime = _now;
            TicketDue();
        }
        else
        {
            string reason = "the relay told no block of the Diode L1" + (reply.IsError ? ": " + reply.GetErrorMessage() : "");
            _tickets.Refuse(reason, Moved);
            _events.OnTicketRejected(reason);
        }
    }

    private bool HandleTicketRequest(in EdgeEnvelope envelope)
    {
        if (!TicketRequestMessage.TryRead(envelope.Arguments, out TicketRequestMessage message))
        {
            return false;
        }

        _tickets.SetUsage(message.Usage, Moved);
        if (_started)
        {
            TicketDue();
        }

        return true;
    }

    private void HandleTicketReply(in EdgeReply reply)
    {
        switch (_tickets.HandleReply(reply, _now, Moved, out ulong paid, out string reason))
        {
            case TicketOutcome.Accepted:
                AnnounceTicket(paid);
                break;
            case TicketOutcome.AcceptedButMoreWanted:
                AnnounceTicket(paid);
                TicketDue();
                break;
            case TicketOutcome.Resubmit:
                TicketDue();
                break;
            default:
                _events.OnTicketRejected(reason);
                break;
        }
    }

    private void AnnounceTicket(ulong paid)
    {
        bool first = !_ready;
        _ready = true;
        _events.OnTicketAccepted(paid);
        if (first)
        {
            _events.OnReady();
        }
    }
}

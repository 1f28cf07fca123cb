using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>The relay's answers to tickets.</content>
internal sealed partial class ClientTickets
{
    /// <summary>Reads the answer to the ticket in flight.</summary>
    public TicketOutcome HandleReply(in EdgeReply reply, long nowMs, ulong moved, out ulong paid, out string reason)
    {
        Ticket sent = _inFlight!;
        _inFlight = null;
        TicketOutcome outcome = Read(reply, sent, out paid, out reason);
        if (outcome is TicketOutcome.Accepted or TicketOutcome.AcceptedButMoreWanted)
        {
            Accepted++;
            _lastAccepted = nowMs;
            SetMark(moved);
            return outcome;
        }

        Refuse(reason.Length > 0 ? reason : "the relay has a better ticket of this device", moved);
        return outcome;
    }

    private TicketOutcome Read(in EdgeReply reply, Ticket sent, out ulong paid, out string reason)
    {
        paid = 0;
        if (reply.IsError)
        {
            reason = reply.GetErrorMessage();
            return reason switch
            {
                EdgeErrors.EpochTooLow when !UsesVersion1 => ShiftEpoch(1),
                EdgeErrors.EpochTooHigh when !UsesVersion1 => ShiftEpoch(-1),
                EdgeErrors.BadInput when !UsesVersion1 => FallBack(),
                _ => TicketOutcome.Rejected,
            };
        }

        RlpReader values = reply.Values;
        reason = "the relay's answer to the ticket is unreadable";
        if (!values.TryReadBytes(out ReadOnlySpan<byte> word))
        {
            return TicketOutcome.Rejected;
        }

        if (word.SequenceEqual(EdgeCommands.Thanks))
        {
            values.TryReadUInt64(out paid);
            return Accept(sent);
        }

        if (word.SequenceEqual(EdgeCommands.TooLow))
        {
            return HandleTooLow(values, sent, out reason);
        }

        if (word.SequenceEqual(EdgeCommands.TooOld))
        {
            return HandleTooOld(values, sent, out reason);
        }

        if (word.SequenceEqual(EdgeCommands.TooBigJump))
        {
            return HandleTooBigJump(sent, out reason);
        }

        return TicketOutcome.Rejected;
    }

    private TicketOutcome Accept(Ticket sent)
    {
        _held = new HeldTicket(sent.TotalBytes);
        _afterTooLow = false;
        _attempts = 0;
        PaidBytes = sent.TotalBytes;
        _totals = _totals! with { AcceptedBytes = Math.Max(_totals.AcceptedBytes, sent.TotalBytes) };
        return _claim > sent.TotalBytes && !IsBudgetReached ? TicketOutcome.AcceptedButMoreWanted : TicketOutcome.Accepted;
    }

    private TicketOutcome HandleTooLow(RlpReader values, Ticket sent, out string reason)
    {
        reason = "";
        if (!TryReadSummary(values, out Ticket? stored)
            || !stored.TryRecoverDevice(out Address signer)
            || signer != _device)
        {
            reason = "the relay shows a ticket that this device has not signed";
            return TicketOutcome.Rejected;
        }

        // Only a ticket these totals do not know raises what may be signed, or a relay could climb on our own answers.
        TicketTotals totals = _totals!;
        if (stored is not TicketV2 || stored.Epoch == sent.Epoch)
        {
            if (stored.TotalBytes > totals.SignedBytes)
            {
                ulong foreign = stored.TotalBytes - Math.Min(stored.TotalBytes, totals.CountedBytes);
                totals = totals with { ForeignBytes = Math.Max(totals.ForeignBytes, foreign), SignedBytes = stored.TotalBytes };
            }

            _held = new HeldTicket(Math.Max(stored.TotalBytes, _held?.Bytes ?? 0));
            _totals = totals with { Connections = Math.Max(totals.Connections, stored.TotalConnections) + 1 };
        }

        _afterTooLow = true;
        if (++_attempts <= MaxAttempts)
        {
            return TicketOutcome.Resubmit;
        }

        reason = UnconfirmedUsage;
        return TicketOutcome.Rejected;
    }

    private bool TryReadSummary(RlpReader values, [NotNullWhen(true)] out Ticket? stored)
    {
        if (TicketV2.TryReadSummary(values, _relay, _options.Fleet, out TicketV2? second))
        {
            stored = second.ChainId == _options.ChainId ? second : null;
        }
        else
        {
            // The stored ticket's version decides the form.
            stored = TicketV1.TryReadSummary(values, _relay, _options.Fleet, out TicketV1? first) ? first : null;
        }

        return stored is not null;
    }

    private TicketOutcome HandleTooOld(RlpReader values, Ticket sent, out string reason)
    {
        // The reply names the previous epoch. Around a change of epochs the two clocks may disagree by one.
        reason = "the relay is in another ticket epoch: check the clock of this machine";
        if (UsesVersion1 || !values.TryReadUInt64(out ulong minEpoch) || minEpoch == 0)
        {
            return TicketOutcome.Rejected;
        }

        return minEpoch + 2 == sent.Epoch ? ShiftEpoch(-1)
            : minEpoch == sent.Epoch + 1 ? ShiftEpoch(1)
            : TicketOutcome.Rejected;
    }

    /// <summary>The relay holds or has counted far less than we thought, for example because it lost its tickets: begin from its word.</summary>
    private TicketOutcome HandleTooBigJump(Ticket sent, out string reason)
    {
        reason = "the relay counted far less than the ticket pays";
        ulong floor = _claim ?? 0;
        if (++_attempts > MaxAttempts || floor + EdgeLimits.MaxTicketJump >= sent.TotalBytes)
        {
            return TicketOutcome.Rejected;
        }

        _held = new HeldTicket(floor);
        return TicketOutcome.Resubmit;
    }

    private TicketOutcome ShiftEpoch(int by)
    {
        if (++_attempts > MaxAttempts || Math.Abs(_epochOffset + by) > MaxEpochOffset)
        {
            return TicketOutcome.Rejected;
        }

        _epochOffset += by;
        return TicketOutcome.Resubmit;
    }

    /// <summary>A relay from before version 2 does not know the command.</summary>
    private TicketOutcome FallBack()
    {
        UsesVersion1 = true;
        return TicketOutcome.Resubmit;
    }
}

/// <summary>What became of a ticket.</summary>
internal enum TicketOutcome
{
    Accepted,
    AcceptedButMoreWanted,
    Resubmit,
    Rejected,
}

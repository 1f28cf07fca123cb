using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The client's side of paying (reference §3.3, §4.6): makes tickets, reads the relay's answers, and never signs for
/// much more than this session has moved or this device has signed before, whatever usage the relay claims.
/// </summary>
internal sealed class ClientTickets(PrivateKey device, Address relay, EdgeClientOptions options)
{
    public const string UnconfirmedUsage = "the relay claims more usage than this device can confirm";

    private const int MaxAttempts = 3;
    private const int MaxEpochOffset = 1;

    private TicketV2? _known;
    private TicketV2? _inFlight;
    private ulong? _baseline;
    private long _epochOffset;
    private ulong _usage;
    private bool _afterTooLow;
    private int _attempts;

    /// <summary>Whether a ticket was sent and not answered.</summary>
    public bool IsInFlight => _inFlight is not null;

    /// <summary>Bytes of the last accepted ticket.</summary>
    public ulong PaidBytes { get; private set; }

    /// <summary>Notes the usage the relay claims.</summary>
    public void SetUsage(ulong usage)
    {
        _usage = Math.Max(_usage, usage);
        _attempts = 0;
    }

    /// <summary>Signs the next ticket; null when it would pay for what nobody but the relay knows of.</summary>
    /// <param name="unixSeconds">Time of the chain, as the client knows it.</param>
    /// <param name="movedBytes">Bytes that went through this session or by its means.</param>
    public Ticket? Next(ulong unixSeconds, ulong movedBytes)
    {
        ulong epoch = (ulong)Math.Max((long)(unixSeconds / EdgeLimits.EpochSeconds) + _epochOffset, 1);
        TicketV2? last = _known;
        if (last?.Epoch != epoch)
        {
            last = null;
            _baseline = null;
            _afterTooLow = false;
        }

        // What we may sign: what we had signed before this session, what we moved since, and one jump of grace.
        ulong limit = (_baseline ?? 0) + movedBytes + EdgeLimits.MaxTicketJump;
        ulong bytes = Math.Min(_usage, limit) + options.TicketHeadroom;
        ulong connections = 1;
        if (last is not null)
        {
            bytes = Math.Max(bytes, last.TotalBytes + (_afterTooLow ? options.TicketHeadroom : 1));
            connections = last.TotalConnections + (_afterTooLow ? 1UL : 0UL);
        }

        if (bytes > limit + ((MaxAttempts + 1) * options.TicketHeadroom))
        {
            return null;
        }

        Address[] relays = LocalAddress.ChooseRelays(relay, options.PrimaryRelay, options.SecondaryRelay);
        var ticket = new TicketV2
        {
            ChainId = options.ChainId,
            EpochNumber = epoch,
            Fleet = options.Fleet,
            Server = relay,
            TotalConnections = connections,
            TotalBytes = bytes,
            LocalAddress = LocalAddress.Encode(
                relays, unixSeconds, options.TunnelKey.Span, options.CapabilityVersion),
        };
        _inFlight = (TicketV2)ticket.Sign(device);
        return _inFlight;
    }

    /// <summary>Reads the answer to the ticket in flight.</summary>
    public TicketOutcome HandleReply(in EdgeReply reply, out ulong paid, out string reason)
    {
        TicketV2 sent = _inFlight!;
        _inFlight = null;
        paid = 0;
        if (reply.IsError)
        {
            reason = reply.GetErrorMessage();
            return reason switch
            {
                EdgeErrors.EpochTooLow => ShiftEpoch(1),
                EdgeErrors.EpochTooHigh => ShiftEpoch(-1),
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
            return HandleTooLow(values, out reason);
        }

        if (word.SequenceEqual(EdgeCommands.TooOld))
        {
            return HandleTooOld(values, sent, out reason);
        }

        if (word.SequenceEqual(EdgeCommands.TooBigJump))
        {
            reason = "the relay counted far less than the ticket pays";
        }

        return TicketOutcome.Rejected;
    }

    private TicketOutcome Accept(TicketV2 sent)
    {
        _known = sent;
        _afterTooLow = false;
        _attempts = 0;
        PaidBytes = sent.TotalBytes;
        bool more = _usage > sent.TotalBytes;
        _usage = more ? _usage : 0;
        return more ? TicketOutcome.AcceptedButMoreWanted : TicketOutcome.Accepted;
    }

    private TicketOutcome HandleTooLow(RlpReader values, out string reason)
    {
        reason = "";
        if (!TicketV2.TryReadSummary(values, relay, options.Fleet, out TicketV2? stored)
            || stored.ChainId != options.ChainId
            || !stored.TryRecoverDevice(out Address signer)
            || signer != device.Address)
        {
            reason = "the relay shows a ticket that this device has not signed";
            return TicketOutcome.Rejected;
        }

        // Only a ticket from before this session raises the baseline, or a relay could climb on our own answers.
        if (_known is null || stored.Epoch != _known.Epoch)
        {
            _known = stored;
            _baseline = stored.TotalBytes;
        }
        else if (stored.TotalBytes > _known.TotalBytes)
        {
            _known = stored;
        }

        _afterTooLow = true;
        if (++_attempts <= MaxAttempts)
        {
            return TicketOutcome.Resubmit;
        }

        reason = UnconfirmedUsage;
        return TicketOutcome.Rejected;
    }

    private TicketOutcome HandleTooOld(RlpReader values, TicketV2 sent, out string reason)
    {
        // The reply names the previous epoch. Around a change of epochs the two clocks may disagree by one.
        reason = "the relay is in another ticket epoch: check the clock of this machine";
        return values.TryReadUInt64(out ulong minEpoch) && minEpoch != 0 && minEpoch + 2 == sent.Epoch
            ? ShiftEpoch(-1)
            : TicketOutcome.Rejected;
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
}

/// <summary>What became of a ticket.</summary>
internal enum TicketOutcome
{
    Accepted,
    AcceptedButMoreWanted,
    Resubmit,
    Rejected,
}

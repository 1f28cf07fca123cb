using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>What becomes of a ticket.</summary>
internal enum TicketVerdictKind
{
    /// <summary>Stored.</summary>
    Accepted,

    /// <summary>The stored ticket is better, or the usage is higher.</summary>
    TooLow,

    /// <summary>Its epoch is over.</summary>
    TooOld,

    /// <summary>It runs too far ahead of the usage.</summary>
    TooBigJump,

    /// <summary>Not a ticket for this session; see <see cref="TicketVerdict.Error"/>.</summary>
    Refused,
}

/// <summary>The judgement of a ticket and what the reply needs (diode-edge §3.3).</summary>
internal readonly ref struct TicketVerdict
{
    private TicketVerdict(TicketVerdictKind kind, ulong number, Ticket? stored, ReadOnlySpan<byte> error)
    {
        Kind = kind;
        Number = number;
        Stored = stored;
        Error = error;
    }

    public TicketVerdictKind Kind { get; }

    /// <summary>Accepted: the bytes newly paid. Too old or too big a jump: the oldest epoch accepted.</summary>
    public ulong Number { get; }

    /// <summary>Too low: the ticket it was compared with.</summary>
    public Ticket? Stored { get; }

    /// <summary>Refused: the text for the client.</summary>
    public ReadOnlySpan<byte> Error { get; }

    public static TicketVerdict Accept(ulong paid) => new(TicketVerdictKind.Accepted, paid, null, default);

    public static TicketVerdict TooLow(Ticket stored) => new(TicketVerdictKind.TooLow, 0, stored, default);

    public static TicketVerdict TooOld(ulong minEpoch) => new(TicketVerdictKind.TooOld, minEpoch, null, default);

    public static TicketVerdict TooBigJump(ulong minEpoch) => new(TicketVerdictKind.TooBigJump, minEpoch, null, default);

    public static TicketVerdict Refuse(ReadOnlySpan<byte> error) => new(TicketVerdictKind.Refused, 0, null, error);

    /// <summary>Writes the items after <c>"response"</c>; not for refused tickets.</summary>
    public void WriteReply(RlpWriter writer)
    {
        switch (Kind)
        {
            case TicketVerdictKind.Accepted:
                writer.WriteBytes("thanks!"u8);
                writer.WriteUInt64(Number);
                break;
            case TicketVerdictKind.TooLow:
                writer.WriteBytes("too_low"u8);
                Stored!.WriteSummary(writer);
                break;
            case TicketVerdictKind.TooOld:
                writer.WriteBytes("too_old"u8);
                writer.WriteUInt64(Number);
                break;
            case TicketVerdictKind.TooBigJump:
                writer.WriteBytes("too_big_jump"u8);
                writer.WriteUInt64(Number);
                break;
            default:
                throw new InvalidOperationException("a refused ticket is answered with an error");
        }
    }
}

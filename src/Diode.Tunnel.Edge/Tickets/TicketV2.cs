using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Tickets;

/// <summary>
/// A ticket of any chain but Diode L1 (reference §4.1). Signed words: chain id, epoch, fleet, server, connections,
/// bytes, SHA256(local address).
/// </summary>
public sealed record TicketV2 : Ticket
{
    private readonly ulong _epoch;

    /// <summary>The chain whose time counts the epochs.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Block time / 2,592,000 s.</summary>
    public required ulong EpochNumber
    {
        get => _epoch;
        init => _epoch = value;
    }

    /// <inheritdoc/>
    public override ulong Epoch => _epoch;

    /// <inheritdoc/>
    public override UInt128 NodeAge => ((UInt128)_epoch * ulong.MaxValue) + TotalBytes;

    /// <inheritdoc/>
    public override UInt128 ClientAge => ReadLocalAddress().Timestamp is ulong time
        ? ((UInt128)_epoch * ulong.MaxValue) + (2 * ((1UL << 60) - 1)) + time
        : NodeAge;

    /// <inheritdoc/>
    public override string? ClientRefusal => _epoch == 0 ? EdgeErrors.EpochMustBePositive : null;

    /// <inheritdoc/>
    protected override int WordCount => 7;

    /// <inheritdoc/>
    protected override ReadOnlySpan<byte> Name => EdgeCommands.TicketV2;

    private protected override ulong ContractEpoch => _epoch;

    /// <summary>
    /// Reads a submission <c>[chain_id, epoch, fleet, conns, bytes, local_address, SIG65]</c> (the arguments after the
    /// command word) that was sent to the relay <paramref name="server"/>.
    /// </summary>
    public static bool TryReadSubmission(
        RlpReader arguments, Address server, [NotNullWhen(true)] out TicketV2? ticket)
    {
        return TryReadFields(ref arguments, server, out ticket) && arguments.IsEmpty;
    }

    /// <summary>
    /// Reads the summary in a <c>too_low</c> reply, <c>[chain_id, epoch, conns, bytes, local_address, SIG65]</c>; the
    /// fleet and the relay are known to the client.
    /// </summary>
    public static bool TryReadSummary(
        RlpReader values, Address server, Address fleet, [NotNullWhen(true)] out TicketV2? ticket)
    {
        return TryRead(ref values, server, fleet, out ticket) && values.IsEmpty;
    }

    /// <inheritdoc/>
    public override bool IsRecentAt(ulong peakTimestamp, ulong peakBlock)
    {
        ulong peakEpoch = peakTimestamp / EdgeLimits.EpochSeconds;
        if (ReadLocalAddress().Timestamp is not ulong time)
        {
            return _epoch >= peakEpoch;
        }

        return _epoch > peakEpoch
            || (_epoch == peakEpoch && (peakTimestamp <= time || peakTimestamp - time < EdgeLimits.FreshSeconds));
    }

    internal static bool TryReadFields(
        ref RlpReader fields, Address server, [NotNullWhen(true)] out TicketV2? ticket)
    {
        return TryRead(ref fields, server, null, out ticket);
    }

    private protected override void WriteWords(Span<byte> words)
    {
        WriteWord(words, 0, ChainId);
        WriteWord(words, 1, _epoch);
        WriteCommonWords(words, 2);
    }

    private protected override void WriteEpochFields(RlpWriter rlp)
    {
        rlp.WriteUInt64(ChainId);
        rlp.WriteUInt64(_epoch);
    }

    private protected override void WriteSummaryFields(RlpWriter rlp)
    {
        WriteEpochFields(rlp);
    }

    private protected override BertTerm[] GetEpochTerms()
    {
        return [BertTerm.FromNumber(ChainId), BertTerm.FromNumber(_epoch)];
    }

    private static bool TryRead(
        ref RlpReader fields, Address server, Address? knownFleet, [NotNullWhen(true)] out TicketV2? ticket)
    {
        ticket = null;
        Address fleet = knownFleet ?? default;
        if (!fields.TryReadUInt64(out ulong chainId)
            || !fields.TryReadUInt64(out ulong epoch)
            || !(knownFleet is not null || fields.TryReadAddress(out fleet))
            || !TryReadTotals(
                ref fields, out ulong connections, out ulong bytes, out byte[] local, out Signature65 signature))
        {
            return false;
        }

        ticket = new TicketV2
        {
            ChainId = chainId,
            EpochNumber = epoch,
            Fleet = fleet,
            Server = server,
            TotalConnections = connections,
            TotalBytes = bytes,
            LocalAddress = local,
            DeviceSignature = signature,
        };
        return true;
    }
}

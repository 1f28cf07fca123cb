using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Tickets;

/// <summary>
/// A Diode L1 ticket (reference §4.1). Signed words: block hash, fleet, server, connections, bytes,
/// SHA256(local address). On the wire only the block number stands; the hash must be looked up before a signature can
/// be made or checked.
/// </summary>
public sealed record TicketV1 : Ticket
{
    private const ulong AgeOfTimedTickets = ulong.MaxValue;

    /// <summary>Number of the block that dates the ticket.</summary>
    public required ulong BlockNumber { get; init; }

    /// <summary>Hash of that block, once known.</summary>
    public Hash256? BlockHash { get; init; }

    /// <inheritdoc/>
    public override ulong Epoch => BlockNumber / EdgeLimits.EpochBlocks;

    /// <inheritdoc/>
    public override UInt128 NodeAge => BlockNumber;

    /// <inheritdoc/>
    public override UInt128 ClientAge => ReadLocalAddress().Timestamp is ulong time
        ? (2 * (UInt128)AgeOfTimedTickets) + time
        : BlockNumber;

    /// <inheritdoc/>
    public override bool HasDigest => BlockHash is not null;

    /// <inheritdoc/>
    protected override int WordCount => 6;

    /// <inheritdoc/>
    protected override ReadOnlySpan<byte> Name => EdgeCommands.Ticket;

    private protected override ulong ContractEpoch => BlockNumber;

    /// <summary>
    /// Reads a submission <c>[block_number, fleet, conns, bytes, local_address, SIG65]</c> (the arguments after the
    /// command word) that was sent to the relay <paramref name="server"/>.
    /// </summary>
    public static bool TryReadSubmission(
        RlpReader arguments, Address server, [NotNullWhen(true)] out TicketV1? ticket)
    {
        return TryReadFields(ref arguments, server, out ticket) && arguments.IsEmpty;
    }

    /// <summary>
    /// Reads the summary in a <c>too_low</c> reply, <c>[block_hash, conns, bytes, local_address, SIG65]</c>. Its block
    /// number is not told: <see cref="BlockNumber"/> is 0.
    /// </summary>
    public static bool TryReadSummary(
        RlpReader values, Address server, Address fleet, [NotNullWhen(true)] out TicketV1? ticket)
    {
        ticket = null;
        if (!values.TryReadHash(out Hash256 blockHash)
            || !TryReadTotals(
                ref values, out ulong connections, out ulong bytes, out byte[] local, out Signature65 signature)
            || !values.IsEmpty)
        {
            return false;
        }

        ticket = new TicketV1
        {
            BlockNumber = 0,
            BlockHash = blockHash,
            Fleet = fleet,
            Server = server,
            TotalConnections = connections,
            TotalBytes = bytes,
            LocalAddress = local,
            DeviceSignature = signature,
        };
        return true;
    }

    /// <inheritdoc/>
    public override bool IsRecentAt(ulong peakTimestamp, ulong peakBlock)
    {
        if (ReadLocalAddress().Timestamp is not ulong time)
        {
            return peakBlock <= BlockNumber || peakBlock - BlockNumber < EdgeLimits.FreshBlocks;
        }

        ulong epoch = time / EdgeLimits.EpochSeconds;
        ulong peakEpoch = peakTimestamp / EdgeLimits.EpochSeconds;
        return epoch > peakEpoch
            || (epoch == peakEpoch && (peakTimestamp <= time || peakTimestamp - time < EdgeLimits.FreshSeconds));
    }

    internal static bool TryReadFields(
        ref RlpReader fields, Address server, [NotNullWhen(true)] out TicketV1? ticket)
    {
        ticket = null;
        if (!fields.TryReadUInt64(out ulong blockNumber)
            || !fields.TryReadAddress(out Address fleet)
            || !TryReadTotals(
                ref fields, out ulong connections, out ulong bytes, out byte[] local, out Signature65 signature))
        {
            return false;
        }

        ticket = new TicketV1
        {
            BlockNumber = blockNumber,
            Fleet = fleet,
            Server = server,
            TotalConnections = connections,
            TotalBytes = bytes,
            LocalAddress = local,
            DeviceSignature = signature,
        };
        return true;
    }

    private protected override void WriteWords(Span<byte> words)
    {
        Hash256 hash = BlockHash ?? throw new InvalidOperationException("the block hash of this ticket is not known");
        hash.CopyTo(words);
        WriteCommonWords(words, 1);
    }

    private protected override void WriteEpochFields(RlpWriter rlp)
    {
        rlp.WriteUInt64(BlockNumber);
    }

    private protected override void WriteSummaryFields(RlpWriter rlp)
    {
        rlp.WriteHash(BlockHash ?? throw new InvalidOperationException("the block hash of this ticket is not known"));
    }

    private protected override BertTerm[] GetEpochTerms()
    {
        return [BertTerm.FromNumber(BlockNumber)];
    }
}

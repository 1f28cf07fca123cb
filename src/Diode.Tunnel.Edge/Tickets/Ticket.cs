using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Tickets;

/// <summary>
/// A device's cumulative promise to pay a relay, and at the same time the signed note where the device can be met
/// (reference §4). Immutable; signing returns a copy. Equality is by reference of the local address: compare digests.
/// </summary>
public abstract record Ticket
{
    private protected const int WordLength = Hash256.Length;
    private const int RawWords = 9;

    /// <summary>The relay the ticket is for.</summary>
    public required Address Server { get; init; }

    /// <summary>The fleet contract that pays.</summary>
    public required Address Fleet { get; init; }

    /// <summary>Connections in this epoch, all in all.</summary>
    public required ulong TotalConnections { get; init; }

    /// <summary>Bytes in this epoch, all in all.</summary>
    public required ulong TotalBytes { get; init; }

    /// <summary>The free bytes of the device, see <see cref="Tickets.LocalAddress"/>.</summary>
    public ReadOnlyMemory<byte> LocalAddress { get; init; }

    /// <summary>Signature of the device, once signed.</summary>
    public Signature65? DeviceSignature { get; init; }

    /// <summary>Signature of the relay, once countersigned.</summary>
    public Signature65? ServerSignature { get; init; }

    /// <summary>The accounting epoch.</summary>
    public abstract ulong Epoch { get; }

    /// <summary>Rank among tickets of one epoch: connections · 1024 + bytes (§4.7).</summary>
    public UInt128 Score => ((UInt128)TotalConnections * EdgeLimits.ConnectionScore) + TotalBytes;

    /// <summary>Age number the relays compare: larger is newer (§4.5).</summary>
    public abstract UInt128 NodeAge { get; }

    /// <summary>Age number the Go client compares: larger is newer (§4.5).</summary>
    public abstract UInt128 ClientAge { get; }

    /// <summary>Whether a relay refuses the byte count outright.</summary>
    public bool HasTooManyBytes => TotalBytes > EdgeLimits.MaxTicketBytes;

    /// <summary>Whether a relay refuses the connection count outright.</summary>
    public bool HasTooManyConnections => TotalConnections > EdgeLimits.MaxTicketConnections;

    /// <summary>Why Go clients will not look at this ticket, or null.</summary>
    public virtual string? ClientRefusal => null;

    /// <summary>Whether the digest can be computed; a v1 ticket needs the hash of its block for that.</summary>
    public virtual bool HasDigest => true;

    /// <summary>Number of words that are signed.</summary>
    protected abstract int WordCount { get; }

    /// <summary>The command word of a submission and the name of the object.</summary>
    protected abstract ReadOnlySpan<byte> Name { get; }

    /// <summary>Takes <see cref="LocalAddress"/> apart.</summary>
    public LocalAddress ReadLocalAddress()
    {
        return Tickets.LocalAddress.Read(LocalAddress.Span);
    }

    /// <summary>The bytes that the device signs: 32-byte words.</summary>
    /// <exception cref="InvalidOperationException"><see cref="HasDigest"/> is false.</exception>
    public byte[] GetWords()
    {
        byte[] words = new byte[WordCount * WordLength];
        WriteWords(words);
        return words;
    }

    /// <summary>The Keccak-256 of the words.</summary>
    /// <exception cref="InvalidOperationException"><see cref="HasDigest"/> is false.</exception>
    public Hash256 GetDeviceDigest()
    {
        return Keccak256.Hash(GetWords());
    }

    /// <summary>The bytes that the relay signs: the words, then the device's signature.</summary>
    /// <exception cref="InvalidOperationException">Not signed, or <see cref="HasDigest"/> is false.</exception>
    public byte[] GetServerBlob()
    {
        byte[] blob = new byte[(WordCount * WordLength) + Signature65.Length];
        WriteWords(blob);
        RequireDeviceSignature().CopyTo(blob.AsSpan(WordCount * WordLength));
        return blob;
    }

    /// <summary>The Keccak-256 of <see cref="GetServerBlob"/>.</summary>
    /// <exception cref="InvalidOperationException">Not signed, or <see cref="HasDigest"/> is false.</exception>
    public Hash256 GetServerDigest()
    {
        return Keccak256.Hash(GetServerBlob());
    }

    /// <summary>A copy signed by the device, without a relay signature.</summary>
    public Ticket Sign(PrivateKey device)
    {
        return this with { DeviceSignature = device.SignHash(GetDeviceDigest()), ServerSignature = null };
    }

    /// <summary>A copy countersigned by the relay.</summary>
    /// <exception cref="InvalidOperationException">The device has not signed.</exception>
    public Ticket Countersign(PrivateKey server)
    {
        return this with { ServerSignature = server.SignHash(GetServerDigest()) };
    }

    /// <summary>The device, by recovery from its signature; the only thing that identifies it.</summary>
    public bool TryRecoverDevice(out Address device)
    {
        device = default;
        return HasDigest
            && DeviceSignature is Signature65 signature
            && signature.TryRecoverAddress(GetDeviceDigest(), out device);
    }

    /// <summary>The relay, by recovery from its signature; genuine only if it equals <see cref="Server"/>.</summary>
    public bool TryRecoverServer(out Address server)
    {
        server = default;
        return HasDigest
            && DeviceSignature is not null
            && ServerSignature is Signature65 signature
            && signature.TryRecoverAddress(GetServerDigest(), out server);
    }

    /// <summary>
    /// Whether the device signed this and the named relay countersigned it; what a client checks first, before
    /// freshness (reference §4.5).
    /// </summary>
    public bool IsSignedBy(Address device)
    {
        return TryRecoverDevice(out Address signer)
            && signer == device
            && TryRecoverServer(out Address server)
            && server == Server;
    }

    /// <summary>
    /// Whether a client still believes this ticket at a chain peak (Go's rule, §4.5).
    /// </summary>
    /// <param name="peakTimestamp">Unix seconds of the latest trusted block.</param>
    /// <param name="peakBlock">Number of the latest trusted Diode L1 block; only v1 tickets look at it.</param>
    public abstract bool IsRecentAt(ulong peakTimestamp, ulong peakBlock);

    /// <summary>Writes the command that submits the ticket to its relay.</summary>
    /// <exception cref="InvalidOperationException">The device has not signed.</exception>
    public void WriteSubmission(RlpWriter rlp)
    {
        rlp.BeginList();
        rlp.WriteBytes(Name);
        WriteEpochFields(rlp);
        rlp.WriteAddress(Fleet);
        WriteTotals(rlp);
        WriteSignature(rlp, RequireDeviceSignature());
        rlp.EndList();
    }

    /// <summary>Writes the fields of a <c>too_low</c> reply, without a list around them.</summary>
    /// <exception cref="InvalidOperationException">The device has not signed.</exception>
    public void WriteSummary(RlpWriter rlp)
    {
        WriteSummaryFields(rlp);
        WriteTotals(rlp);
        WriteSignature(rlp, RequireDeviceSignature());
    }

    /// <summary>Writes the object, as getobject answers it.</summary>
    /// <exception cref="InvalidOperationException">A signature is missing.</exception>
    public void WriteObject(RlpWriter rlp)
    {
        rlp.BeginList();
        rlp.WriteBytes(Name);
        rlp.WriteAddress(Server);
        WriteEpochFields(rlp);
        rlp.WriteAddress(Fleet);
        WriteTotals(rlp);
        WriteSignature(rlp, RequireDeviceSignature());
        WriteSignature(rlp, RequireServerSignature());
        rlp.EndList();
    }

    /// <summary>The object in the form of peers and the DHT.</summary>
    /// <exception cref="InvalidOperationException">A signature is missing.</exception>
    public byte[] EncodeBert()
    {
        return BertEncoder.Encode(BertTerm.FromList(
        [
            BertTerm.FromBinary(Name),
            BertTerm.FromBinary(Server.ToArray()),
            .. GetEpochTerms(),
            BertTerm.FromBinary(Fleet.ToArray()),
            BertTerm.FromNumber(TotalConnections),
            BertTerm.FromNumber(TotalBytes),
            BertTerm.FromBinary(LocalAddress.Span),
            BertTerm.FromBinary(RequireDeviceSignature().ToArray()),
            BertTerm.FromBinary(RequireServerSignature().ToArray()),
        ]));
    }

    /// <summary>The nine words of the on-chain form: epoch or block, fleet, server, totals, local address, r, s, v.</summary>
    /// <exception cref="InvalidOperationException">The device has not signed.</exception>
    public byte[] GetContractWords()
    {
        Signature65 signature = RequireDeviceSignature();
        byte[] words = new byte[RawWords * WordLength];
        WriteWord(words, 0, ContractEpoch);
        WriteCommonWords(words, 1);
        signature.R.CopyTo(words.AsSpan(6 * WordLength));
        signature.S.CopyTo(words.AsSpan(7 * WordLength));
        WriteWord(words, 8, 27UL + signature.RecoveryId);
        return words;
    }

    /// <summary>Reads an object list, the form getobject answers: <c>["ticket", …]</c> or <c>["ticketv2", …]</c>.</summary>
    public static bool TryReadObject(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out Ticket? ticket)
    {
        ticket = null;
        if (!RlpReader.TryReadSingleList(encoded, out RlpReader fields)
            || !fields.TryReadBytes(out ReadOnlySpan<byte> name)
            || !fields.TryReadAddress(out Address server))
        {
            return false;
        }

        if (name.SequenceEqual(EdgeCommands.TicketV2))
        {
            ticket = TicketV2.TryReadFields(ref fields, server, out TicketV2? v2) ? v2 : null;
        }
        else if (name.SequenceEqual(EdgeCommands.Ticket))
        {
            ticket = TicketV1.TryReadFields(ref fields, server, out TicketV1? v1) ? v1 : null;
        }

        if (ticket is not null && TryReadSignature(ref fields, out Signature65 signature) && fields.IsEmpty)
        {
            ticket = ticket with { ServerSignature = signature };
            return true;
        }

        ticket = null;
        return false;
    }

    /// <summary>Reads an object from peers or the DHT.</summary>
    public static bool TryReadBert(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out Ticket? ticket)
    {
        ticket = null;
        return BertDecoder.TryDecode(encoded, BertAtoms.Known, out BertTerm? term)
            && Objects.ObjectTerms.TryToRlp(term, out byte[] rlp)
            && TryReadObject(rlp, out ticket);
    }

    /// <summary>The number of the epoch or block in the on-chain form.</summary>
    private protected abstract ulong ContractEpoch { get; }

    private protected abstract void WriteWords(Span<byte> words);

    private protected abstract void WriteEpochFields(RlpWriter rlp);

    private protected abstract void WriteSummaryFields(RlpWriter rlp);

    private protected abstract BertTerm[] GetEpochTerms();

    /// <summary>Fleet, server, connections, bytes and the hash of the local address.</summary>
    private protected void WriteCommonWords(Span<byte> words, int first)
    {
        words.Slice(first * WordLength, 5 * WordLength).Clear();
        Fleet.CopyTo(words[(((first + 1) * WordLength) - Address.Length)..]);
        Server.CopyTo(words[(((first + 2) * WordLength) - Address.Length)..]);
        WriteWord(words, first + 2, TotalConnections);
        WriteWord(words, first + 3, TotalBytes);
        Hash256.Sha256(LocalAddress.Span).CopyTo(words[((first + 4) * WordLength)..]);
    }

    private protected static void WriteWord(Span<byte> words, int index, ulong value)
    {
        Span<byte> word = words.Slice(index * WordLength, WordLength);
        word.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(word[(WordLength - sizeof(ulong))..], value);
    }

    private protected static bool TryReadSignature(ref RlpReader fields, out Signature65 signature)
    {
        signature = default;
        return fields.TryReadBytes(out ReadOnlySpan<byte> bytes) && Signature65.TryFromBytes(bytes, out signature);
    }

    /// <summary>Connections, bytes, local address and device signature: the end of every form.</summary>
    private protected static bool TryReadTotals(
        ref RlpReader fields,
        out ulong connections,
        out ulong bytes,
        out byte[] localAddress,
        out Signature65 signature)
    {
        localAddress = [];
        bytes = 0;
        signature = default;
        if (!fields.TryReadUInt64(out connections)
            || !fields.TryReadUInt64(out bytes)
            || !fields.TryReadBytes(out ReadOnlySpan<byte> local)
            || local.Length > EdgeLimits.MaxLocalAddress
            || !TryReadSignature(ref fields, out signature))
        {
            return false;
        }

        localAddress = local.ToArray();
        return true;
    }

    private static void WriteSignature(RlpWriter rlp, in Signature65 signature)
    {
        Span<byte> bytes = stackalloc byte[Signature65.Length];
        signature.CopyTo(bytes);
        rlp.WriteBytes(bytes);
    }

    private void WriteTotals(RlpWriter rlp)
    {
        rlp.WriteUInt64(TotalConnections);
        rlp.WriteUInt64(TotalBytes);
        rlp.WriteBytes(LocalAddress.Span);
    }

    private Signature65 RequireDeviceSignature()
    {
        return DeviceSignature ?? throw new InvalidOperationException("the device has not signed this ticket");
    }

    private Signature65 RequireServerSignature()
    {
        return ServerSignature ?? throw new InvalidOperationException("the relay has not signed this ticket");
    }
}

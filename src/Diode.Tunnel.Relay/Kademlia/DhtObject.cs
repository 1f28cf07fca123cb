using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>
/// An object as it lies in the DHT (reference §5.1): read, its signer recovered, its place and age computed. Immutable.
/// Channels are not read: their key says nothing about who signed.
/// </summary>
public sealed class DhtObject
{
    /// <summary>Ours: longest encoding that is read; a ticket has 4,096 bytes of local address at most.</summary>
    public const int MaxLength = 8192;

    private const byte CompressedTag = 80;

    private DhtObject(DhtObjectKind kind, Address owner, Hash256 key, BigInteger age, byte[] encoded)
    {
        Kind = kind;
        Owner = owner;
        Key = key;
        Age = age;
        Encoded = encoded;
    }

    /// <summary>What it is.</summary>
    public DhtObjectKind Kind { get; }

    /// <summary>Who signed it.</summary>
    public Address Owner { get; }

    /// <summary>SHA256 of the object key: where it belongs.</summary>
    public Hash256 Key { get; }

    /// <summary>Larger is newer; comparable among objects of a kind.</summary>
    public BigInteger Age { get; }

    /// <summary>The encoding for peers, in its shortest form whatever was received.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>The ticket, if it is one.</summary>
    public Ticket? Ticket { get; private init; }

    /// <summary>The server object, if it is one.</summary>
    public ServerObject? Server { get; private init; }

    /// <summary>The data object, if it is one.</summary>
    public DataObject? Data { get; private init; }

    /// <summary>Wraps a server object.</summary>
    public static DhtObject FromServer(ServerObject server)
    {
        return new DhtObject(
            DhtObjectKind.Server, server.Address, ObjectKeys.ToDhtKey(server.Address), server.BlockNumber, server.EncodeBert())
        {
            Server = server,
        };
    }

    /// <summary>Wraps a countersigned ticket whose device is known: its signature was checked already.</summary>
    public static DhtObject FromTicket(Ticket ticket, Address device)
    {
        ArgumentNullException.ThrowIfNull(ticket);
        DhtObjectKind kind = ticket is TicketV1 ? DhtObjectKind.TicketV1 : DhtObjectKind.TicketV2;
        return new DhtObject(kind, device, ObjectKeys.ToDhtKey(device), (BigInteger)ticket.NodeAge, ticket.EncodeBert())
        {
            Ticket = ticket,
        };
    }

    /// <summary>Wraps a ticket; false when a signature is missing or nobody can have signed it.</summary>
    public static bool TryFromTicket(Ticket ticket, [NotNullWhen(true)] out DhtObject? value)
    {
        value = null;
        if (ticket.ServerSignature is null || !ticket.TryRecoverDevice(out Address device))
        {
            return false;
        }

        value = FromTicket(ticket, device);
        return true;
    }

    /// <summary>
    /// Reads what a peer sent. False when it is damaged, too long, of an unknown kind, or nobody can have signed it.
    /// </summary>
    public static bool TryRead(
        ReadOnlySpan<byte> encoded, BlockHashLookup? blocks, [NotNullWhen(true)] out DhtObject? value)
    {
        value = null;

        // Relays never compress terms; taking one would let a few bytes become megabytes.
        if (encoded.Length is < 2 or > MaxLength || encoded[1] == CompressedTag)
        {
            return false;
        }

        if (!BertDecoder.TryDecode(encoded, BertAtoms.Known, out BertTerm? term)
            || term.Kind != BertKind.List
            || term.Items.Count == 0)
        {
            return false;
        }

        ReadOnlySpan<byte> tag = term.Items[0].Bytes.Span;
        if (tag.SequenceEqual("server"u8))
        {
            value = ServerObject.TryReadBert(encoded, out ServerObject? server) ? FromServer(server) : null;
        }
        else if (tag.SequenceEqual("data"u8))
        {
            value = DataObject.TryReadBert(encoded, out DataObject? data) ? FromData(data) : null;
        }
        else if (Ticket.TryReadBert(encoded, out Ticket? ticket))
        {
            if (ticket is TicketV1 v1 && blocks is not null && blocks(v1.BlockNumber, out Hash256 hash))
            {
                ticket = v1 with { BlockHash = hash };
            }

            _ = TryFromTicket(ticket, out value);
        }

        return value is not null;
    }

    /// <summary>
    /// Whether this replaces <paramref name="other"/>: any version 2 ticket replaces a version 1 ticket and never the other
    /// way round, everything else has to be newer (reference §7.4).
    /// </summary>
    /// <remarks>
    /// The age of tickets counts bytes, which devices count for each relay by itself: by age alone a device that has left a relay
    /// after much traffic would be looked for there until the epoch ends. Among tickets for different relays the time that the
    /// device has signed decides, where both have one; among those for the same relay that time might have been corrected.
    /// </remarks>
    public bool IsNewerThan(DhtObject other)
    {
        return (other.Kind, Kind) switch
        {
            (DhtObjectKind.TicketV1, DhtObjectKind.TicketV2) => true,
            (DhtObjectKind.TicketV2, DhtObjectKind.TicketV1) => false,
            (DhtObjectKind.TicketV2, DhtObjectKind.TicketV2) when ReadMove(other) is int later and not 0 => later > 0,
            _ => Age > other.Age,
        };
    }

    /// <summary>The newest of several answers to one question; of equally old ones the last. Null for none.</summary>
    public static DhtObject? ChooseNewest(IEnumerable<DhtObject> answers)
    {
        DhtObject? best = null;
        foreach (DhtObject answer in answers)
        {
            best = best is null || !best.IsNewerThan(answer) ? answer : best;
        }

        return best;
    }

    // Positive: the device went from the other ticket's relay to this one's; negative: the other way; 0: cannot be told by time.
    private int ReadMove(DhtObject other)
    {
        return Ticket is TicketV2 mine && other.Ticket is TicketV2 theirs
            && mine.Epoch == theirs.Epoch
            && mine.Server != theirs.Server
            && mine.ReadLocalAddress().Timestamp is ulong here
            && theirs.ReadLocalAddress().Timestamp is ulong there
            ? here.CompareTo(there)
            : 0;
    }

    private static DhtObject FromData(DataObject data)
    {
        return new DhtObject(
            DhtObjectKind.Data, data.Owner, ObjectKeys.ToDhtKey(data.Key), data.BlockNumber, data.EncodeBert())
        {
            Data = data,
        };
    }
}

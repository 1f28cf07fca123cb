using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>
/// The tickets of a recording: those handed in while it is replayed, and those in its lists. A real relay accepts
/// signatures with a high s; ours must refuse them, so they are kept apart and are missing from its lists.
/// </summary>
internal sealed class RecordedTickets
{
    private static readonly BigInteger Order = BigInteger.Parse(
        "0fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        System.Globalization.NumberStyles.HexNumber,
        System.Globalization.CultureInfo.InvariantCulture);

    private readonly Dictionary<Address, List<Ticket>> _accepted = [];
    private readonly Dictionary<string, Ticket> _refused = new(StringComparer.Ordinal);

    /// <summary>Tickets of the lists that our relay refuses, by their text.</summary>
    public IReadOnlyDictionary<string, Ticket> Refused => _refused;

    /// <summary>A ticket was handed in and accepted, by the recorded relay and by ours.</summary>
    /// <param name="relay">The relay it is for.</param>
    /// <param name="request">The <c>dio_ticket</c>.</param>
    public void Accept(Address relay, JsonElement request)
    {
        if (!EthereumJson.TryParseData(request.GetProperty("params")[0].GetString(), out byte[]? encoded)
            || !RlpItem.TryDecode(encoded, out RlpItem? list)
            || Encoding.ASCII.GetString(list.Items[0].Bytes.Span) != "ticketv2")
        {
            return;
        }

        var ticket = new TicketV2
        {
            Server = relay,
            ChainId = (ulong)ToNumber(list.Items[1]),
            EpochNumber = (ulong)ToNumber(list.Items[2]),
            Fleet = new Address(list.Items[3].Bytes.Span),
            TotalConnections = (ulong)ToNumber(list.Items[4]),
            TotalBytes = (ulong)ToNumber(list.Items[5]),
            LocalAddress = list.Items[6].Bytes,
        };
        VectorCheck.True(Signature65.TryFromBytes(list.Items[7].Bytes.Span, out Signature65 signature), "an accepted signature");
        VectorCheck.True(
            (ticket with { DeviceSignature = signature }).TryRecoverDevice(out Address device), "an accepted signature");
        if (!_accepted.TryGetValue(device, out List<Ticket>? tickets))
        {
            _accepted[device] = tickets = [];
        }

        tickets.Add(ticket with { DeviceSignature = signature });
    }

    /// <summary>
    /// What our relay shows where the recorded one showed a ticket. Real relays answer from the DHT, which takes a device's
    /// next ticket only after 15 s; ours shows the last one it accepted.
    /// </summary>
    public Ticket FindNewest(Ticket recorded)
    {
        return recorded.TryRecoverDevice(out Address device)
            && _accepted.TryGetValue(device, out List<Ticket>? tickets)
            && tickets.Any(ticket => ticket.DeviceSignature == recorded.DeviceSignature)
                ? tickets[^1]
                : recorded;
    }

    /// <summary>Whether two tickets are the same as far as the device signed them.</summary>
    public static bool IsSame(Ticket left, Ticket right)
    {
        return left.DeviceSignature == right.DeviceSignature && left.GetDeviceDigest() == right.GetDeviceDigest();
    }

    /// <summary>A ticket of a list; null for one that ours refuses for its high s.</summary>
    public Ticket? ReadListed(string text)
    {
        if (!EthereumJson.TryParseData(text, out byte[]? bert))
        {
            throw new VectorException("a ticket in the answer is no hex");
        }

        if (Ticket.TryReadBert(bert, out Ticket? ticket))
        {
            return ticket;
        }

        _refused[text] = TryLowerS(bert, out Ticket? lowered)
            ? lowered
            : throw new VectorException("a ticket in the answer cannot be read");
        return null;
    }

    /// <summary>A ticket as <c>dio_getObject</c> shows it.</summary>
    public static Ticket FromJson(JsonElement array)
    {
        string kind = array[0].GetString()!;
        int[] numbers = kind == "ticketv2" ? [2, 3, 5, 6] : [2, 4, 5];
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText(kind);
        for (int i = 1; i < array.GetArrayLength(); i++)
        {
            string text = array[i].GetString()!;
            byte[] bytes = EthereumJson.TryParseData(text, out byte[]? data) ? data : Encoding.UTF8.GetBytes(text);
            writer.WriteBytes(numbers.Contains(i) ? bytes.AsSpan().TrimStart((byte)0) : bytes);
        }

        writer.EndList();
        return Ticket.TryReadObject(writer.WrittenSpan, out Ticket? ticket)
            ? ticket
            : throw new VectorException("a ticket that cannot be read");
    }

    // Refused for nothing but its high s: with the other s it is a good ticket.
    private static bool TryLowerS(byte[] bert, [NotNullWhen(true)] out Ticket? ticket)
    {
        const int half = 32;
        ticket = null;
        if (!BertDecoder.TryDecode(bert, BertAtoms.Known, out BertTerm? term))
        {
            return false;
        }

        BertTerm[] items = [.. term.Items];
        byte[] signature = items[^2].Bytes.ToArray();
        var s = new BigInteger(signature.AsSpan(1 + half), isUnsigned: true, isBigEndian: true);
        if (signature.Length != Signature65.Length || s <= Order / 2)
        {
            return false;
        }

        byte[] low = (Order - s).ToByteArray(isUnsigned: true, isBigEndian: true);
        signature[0] ^= 1;
        signature.AsSpan(1 + half).Clear();
        low.CopyTo(signature.AsSpan(signature.Length - low.Length));
        items[^2] = BertTerm.FromBinary(signature);
        return Ticket.TryReadBert(BertEncoder.Encode(BertTerm.FromList(items)), out ticket);
    }

    private static BigInteger ToNumber(RlpItem item) => new(item.Bytes.Span, isUnsigned: true, isBigEndian: true);
}

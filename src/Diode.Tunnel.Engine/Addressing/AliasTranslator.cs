using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>
/// Checks that a packet carries exactly the two devices' addresses and translates IPv4 1:1 between what this machine uses (local)
/// and what packets between devices carry (own). Checksums are corrected incrementally, those inside quoted packets of ICMP errors too.
/// </summary>
/// <remarks>Packets that go through an exit carry one device's address and one of the internet. Thread-safe, zero allocation.</remarks>
public static class AliasTranslator
{
    /// <summary>This machine → peer: source and destination become own addresses.</summary>
    /// <param name="buffer">The packet, changed in place.</param>
    /// <param name="packet">Its parsed form, updated to the new addresses.</param>
    /// <param name="self">This device.</param>
    /// <param name="peer">The device found by the packet's destination.</param>
    public static TranslationResult Outbound(
        Span<byte> buffer, ref IpPacket packet, AddressBookEntry self, AddressBookEntry peer)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, new Pair(self.LocalIpv4, self.OwnIpv4), new Pair(peer.LocalIpv4, peer.OwnIpv4))
            : Check(packet, self.Ipv6, peer.Ipv6);
    }

    /// <summary>Peer → this machine: source and destination become local addresses. This is the check of the sender's address.</summary>
    /// <param name="buffer">The decrypted packet, changed in place.</param>
    /// <param name="packet">Its parsed form, updated to the new addresses.</param>
    /// <param name="self">This device.</param>
    /// <param name="peer">The device whose session the packet came in.</param>
    public static TranslationResult Inbound(
        Span<byte> buffer, ref IpPacket packet, AddressBookEntry self, AddressBookEntry peer)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, new Pair(peer.OwnIpv4, peer.LocalIpv4), new Pair(self.OwnIpv4, self.LocalIpv4))
            : Check(packet, peer.Ipv6, self.Ipv6);
    }

    /// <summary>This machine → internet by an exit: the source becomes this device's own address.</summary>
    public static TranslationResult OutboundToExit(Span<byte> buffer, ref IpPacket packet, AddressBookEntry self)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, new Pair(self.LocalIpv4, self.OwnIpv4), Pair.Unchanged(packet.Destination))
            : Check(packet, self.Ipv6, packet.Destination);
    }

    /// <summary>Internet → this machine by an exit: the destination becomes this device's local address.</summary>
    public static TranslationResult InboundFromExit(Span<byte> buffer, ref IpPacket packet, AddressBookEntry self)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, Pair.Unchanged(packet.Source), new Pair(self.OwnIpv4, self.LocalIpv4))
            : Check(packet, packet.Source, self.Ipv6);
    }

    /// <summary>Client → internet at the exit: the source becomes the client's local address. This is the check of the sender.</summary>
    public static TranslationResult InboundTransit(Span<byte> buffer, ref IpPacket packet, AddressBookEntry client)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, new Pair(client.OwnIpv4, client.LocalIpv4), Pair.Unchanged(packet.Destination))
            : Check(packet, client.Ipv6, packet.Destination);
    }

    /// <summary>Internet → client at the exit: the destination becomes the client's own address.</summary>
    public static TranslationResult OutboundTransit(Span<byte> buffer, ref IpPacket packet, AddressBookEntry client)
    {
        return packet.IsIpv4
            ? Translate(buffer, ref packet, Pair.Unchanged(packet.Source), new Pair(client.LocalIpv4, client.OwnIpv4))
            : Check(packet, packet.Source, client.Ipv6);
    }

    private static TranslationResult Check(in IpPacket packet, PacketAddress source, PacketAddress destination)
    {
        return packet.Source != source ? TranslationResult.ForeignSource
            : packet.Destination != destination ? TranslationResult.ForeignDestination
            : TranslationResult.Unchanged;
    }

    private static TranslationResult Translate(Span<byte> buffer, ref IpPacket packet, Pair source, Pair destination)
    {
        if (source.From.IsNone || source.To.IsNone || destination.From.IsNone || destination.To.IsNone)
        {
            return TranslationResult.NoLocalAddress;
        }

        TranslationResult check = Check(packet, source.From, destination.From);
        if (check != TranslationResult.Unchanged || !(source.Changes || destination.Changes))
        {
            return check;
        }

        if (packet.Icmp == IcmpKind.Error)
        {
            // The quoted packet went the other way.
            TranslateQuote(buffer, packet, destination, source);
        }

        Rewrite(buffer, packet, source, destination);
        packet = packet with { Source = source.To, Destination = destination.To };
        return TranslationResult.Translated;
    }

    private static void Rewrite(Span<byte> buffer, in IpPacket packet, Pair source, Pair destination)
    {
        RewriteHeader(buffer, source, destination);
        int field = packet.Protocol is IpProtocol.Tcp or IpProtocol.Udp ? InternetChecksum.FieldOffset(packet) : -1;
        if (field >= 0)
        {
            FixTransport(buffer[(packet.TransportOffset + field)..], packet.Protocol, source, destination);
        }
    }

    private static void TranslateQuote(Span<byte> buffer, in IpPacket packet, Pair source, Pair destination)
    {
        Span<byte> quote = buffer[packet.QuoteOffset..packet.TotalLength];
        if (!IpPacket.TryParseQuoted(quote, out IpPacket quoted) || !quoted.IsIpv4
            || quoted.Source != source.From || quoted.Destination != destination.From)
        {
            return; // about something else: the receiver will not match it to a connection
        }

        // Inside the quote the address change and the header checksum change cancel out in the ICMP checksum;
        // what remains is the change of the transport checksum, if the quote reaches that far.
        RewriteHeader(quote, source, destination);
        int field = quoted.Protocol is IpProtocol.Tcp or IpProtocol.Udp ? InternetChecksum.FieldOffset(quoted) : -1;
        int offset = quoted.TransportOffset + field;
        if (field < 0 || offset + 2 > quote.Length)
        {
            return;
        }

        ushort before = BinaryPrimitives.ReadUInt16BigEndian(quote[offset..]);
        FixTransport(quote[offset..], quoted.Protocol, source, destination);
        ushort after = BinaryPrimitives.ReadUInt16BigEndian(quote[offset..]);
        Span<byte> icmpChecksum = buffer[(packet.TransportOffset + 2)..];
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(icmpChecksum);
        BinaryPrimitives.WriteUInt16BigEndian(icmpChecksum, InternetChecksum.Update(checksum, before, after));
    }

    private static void RewriteHeader(Span<byte> header, Pair source, Pair destination)
    {
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(header[10..]);
        checksum = InternetChecksum.Update(checksum, source.From.Ipv4, source.To.Ipv4);
        checksum = InternetChecksum.Update(checksum, destination.From.Ipv4, destination.To.Ipv4);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], checksum);
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], source.To.Ipv4);
        BinaryPrimitives.WriteUInt32BigEndian(header[16..], destination.To.Ipv4);
    }

    private static void FixTransport(Span<byte> field, byte protocol, Pair source, Pair destination)
    {
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(field);
        if (protocol == IpProtocol.Udp && checksum == 0)
        {
            return; // sent without (RFC 768)
        }

        checksum = InternetChecksum.Update(checksum, source.From.Ipv4, source.To.Ipv4);
        checksum = InternetChecksum.Update(checksum, destination.From.Ipv4, destination.To.Ipv4);
        if (protocol == IpProtocol.Udp && checksum == 0)
        {
            checksum = 0xFFFF;
        }

        BinaryPrimitives.WriteUInt16BigEndian(field, checksum);
    }

    private readonly record struct Pair(PacketAddress From, PacketAddress To)
    {
        public bool Changes => From != To;

        public static Pair Unchanged(PacketAddress address)
        {
            return new Pair(address, address);
        }
    }
}

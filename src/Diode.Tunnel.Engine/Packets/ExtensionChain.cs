using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>Walks the IPv6 extension headers (RFC 8200 §4) up to the transport header or the first opaque header.</summary>
internal struct ExtensionChain(byte firstHeader)
{
    private const int FixedHeaderLength = 40;

    public byte Protocol { get; private set; } = firstHeader;

    public int Offset { get; private set; } = FixedHeaderLength;

    public bool IsFragment { get; private set; }

    public bool IsLaterFragment { get; private set; }

    public uint FragmentId { get; private set; }

    /// <summary>False if the chain is malformed, too long or uses what RFC 5095 forbids.</summary>
    public bool TryWalk(ReadOnlySpan<byte> packet, bool quoted)
    {
        for (int count = 0; count <= IpPacket.MaxExtensionHeaders; count++)
        {
            ReadOnlySpan<byte> rest = packet[Offset..];
            switch (Protocol)
            {
                case IpProtocol.Fragment:
                    if (IsFragment || !TryReadFragment(rest, packet.Length - Offset, quoted))
                    {
                        return false;
                    }

                    if (IsLaterFragment)
                    {
                        return true;
                    }

                    break;
                case IpProtocol.HopByHop when count > 0:
                    return false; // only directly behind the fixed header
                case IpProtocol.HopByHop:
                case IpProtocol.DestinationOptions:
                case IpProtocol.Routing:
                    if (!TrySkip(rest))
                    {
                        return false;
                    }

                    break;
                default:
                    return true;
            }
        }

        return false;
    }

    private bool TrySkip(ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 8)
        {
            return false;
        }

        int length = (rest[1] + 1) * 8;
        if (length > rest.Length || (Protocol == IpProtocol.Routing && rest[2] == 0))
        {
            return false; // source routing, type 0, is abolished (RFC 5095)
        }

        Protocol = rest[0];
        Offset += length;
        return true;
    }

    private bool TryReadFragment(ReadOnlySpan<byte> rest, int restLength, bool quoted)
    {
        if (rest.Length < 8)
        {
            return false;
        }

        ushort field = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
        int fragmentOffset = field & 0xFFF8;
        bool more = (field & 1) != 0;
        if ((more && ((restLength - 8) & 7) != 0 && !quoted) || fragmentOffset + restLength - 8 > 0xFFFF)
        {
            return false;
        }

        if (fragmentOffset == 8 && rest[0] == IpProtocol.Tcp)
        {
            return false; // see the IPv4 rule
        }

        Protocol = rest[0];
        Offset += 8;
        IsLaterFragment = fragmentOffset != 0;
        IsFragment = more || IsLaterFragment; // "atomic" fragments are whole packets (RFC 6946)
        FragmentId = IsFragment ? BinaryPrimitives.ReadUInt32BigEndian(rest[4..]) : 0;
        return true;
    }
}

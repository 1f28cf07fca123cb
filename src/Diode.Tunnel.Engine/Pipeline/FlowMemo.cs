using System.Buffers.Binary;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Peers;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>
/// Remembers, for the length of a batch, the last packet that passed unchanged: one with the same addresses and ports that neither opens
/// nor ends anything needs no second look-up, translation and filter decision. One thread.
/// </summary>
internal sealed class FlowMemo
{
    private const int Ipv4Header = 20;
    private const int Ipv6Header = 40;
    private const int TcpHeader = 20;
    private const int UdpHeader = 8;
    private const byte Special = TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst;

    private readonly byte[] _addresses = new byte[32];
    private uint _ports;
    private int _length;
    private byte _version;
    private byte _protocol;

    /// <summary>The peer of the flow; null: nothing is remembered.</summary>
    public TunnelPeer? Peer { get; private set; }

    /// <summary>Forgets. To be called at every point at which decisions may have changed.</summary>
    public void Clear()
    {
        Peer = null;
    }

    /// <summary>Remembers a packet that passed.</summary>
    /// <param name="bytes">The packet.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="translated">What translation did to it.</param>
    /// <param name="peer">From or to whom.</param>
    public void Remember(ReadOnlySpan<byte> bytes, in IpPacket packet, TranslationResult translated, TunnelPeer peer)
    {
        Peer = null;
        int header = packet.IsIpv4 ? Ipv4Header : Ipv6Header;
        if (translated != TranslationResult.Unchanged || packet.IsFragment || !packet.HasPorts || packet.TransportOffset != header)
        {
            return;
        }

        _version = bytes[0] >> 4 == 4 ? bytes[0] : (byte)6;
        _protocol = packet.Protocol;
        _length = bytes.Length;
        _ports = BinaryPrimitives.ReadUInt32LittleEndian(bytes[header..]);
        AddressesOf(bytes, packet.IsIpv4).CopyTo(_addresses);
        Peer = peer;
    }

    /// <summary>Whether a packet is decided like the remembered one. It is then sound as far as <see cref="IpPacket"/> looks.</summary>
    public bool Matches(ReadOnlySpan<byte> bytes)
    {
        // A longer one may be too long for its path, which is for others to say.
        if (Peer is null || bytes.Length < Ipv4Header + UdpHeader || bytes.Length > _length)
        {
            return false;
        }

        return _version == 6 ? MatchesIpv6(bytes) : MatchesIpv4(bytes);
    }

    private static ReadOnlySpan<byte> AddressesOf(ReadOnlySpan<byte> bytes, bool isIpv4)
    {
        return isIpv4 ? bytes.Slice(12, 8) : bytes.Slice(8, 32);
    }

    private bool MatchesIpv4(ReadOnlySpan<byte> bytes)
    {
        const int FragmentMask = 0x3FFF;
        return bytes[0] == _version
            && bytes[9] == _protocol
            && BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]) == bytes.Length
            && (BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) & FragmentMask) == 0
            && AddressesOf(bytes, isIpv4: true).SequenceEqual(_addresses.AsSpan(0, 8))
            && MatchesTransport(bytes[Ipv4Header..]);
    }

    private bool MatchesIpv6(ReadOnlySpan<byte> bytes)
    {
        return bytes.Length >= Ipv6Header + UdpHeader
            && bytes[0] >> 4 == 6
            && bytes[6] == _protocol
            && Ipv6Header + BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) == bytes.Length
            && AddressesOf(bytes, isIpv4: false).SequenceEqual(_addresses)
            && MatchesTransport(bytes[Ipv6Header..]);
    }

    private bool MatchesTransport(ReadOnlySpan<byte> transport)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(transport) != _ports)
        {
            return false;
        }

        if (_protocol == IpProtocol.Udp)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(transport[4..]);
            return length >= UdpHeader && length <= transport.Length;
        }

        if (transport.Length < TcpHeader || (transport[13] & Special) != 0)
        {
            return false;
        }

        int header = (transport[12] >> 4) * 4;
        return header >= TcpHeader && header <= transport.Length;
    }
}

using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>A conversation as seen from this machine, the same for both directions, bound to one peer.</summary>
internal readonly record struct FlowKey(
    PacketAddress Local, PacketAddress Remote, int Peer, ushort LocalPort, ushort RemotePort, byte Protocol)
{
    public static FlowKey Outbound(in IpPacket packet, int peer)
    {
        return packet.Icmp is IcmpKind.EchoRequest or IcmpKind.EchoReply
            ? new FlowKey(packet.Source, packet.Destination, peer, packet.IcmpIdentifier, 0, packet.Protocol)
            : new FlowKey(packet.Source, packet.Destination, peer, packet.SourcePort, packet.DestinationPort, packet.Protocol);
    }

    public static FlowKey Inbound(in IpPacket packet, int peer)
    {
        return packet.Icmp is IcmpKind.EchoRequest or IcmpKind.EchoReply
            ? new FlowKey(packet.Destination, packet.Source, peer, packet.IcmpIdentifier, 0, packet.Protocol)
            : new FlowKey(packet.Destination, packet.Source, peer, packet.DestinationPort, packet.SourcePort, packet.Protocol);
    }

    /// <summary>Seeded, so that nobody outside can aim many flows at one place of the table.</summary>
    public ulong Hash(ulong seed)
    {
        ulong hash = Mix(seed ^ Local.Low, Local.High + 0x9E37_79B9_7F4A_7C15);
        hash = Mix(hash ^ Remote.Low, Remote.High + 0xBF58_476D_1CE4_E5B9);
        ulong ports = ((ulong)(uint)Peer << 32) | ((uint)LocalPort << 16) | RemotePort;
        hash = Mix(hash ^ ports, seed + Protocol + 0x94D0_49BB_1331_11EB);

        // By a factor that the seed chooses alone, ports in a row are spread badly with some seeds: a table would lose living flows.
        return Mix(hash, 0x8EBC_6AF0_9C88_C6E3) * 0xD6E8_FEB8_6659_FD93 >> 16;
    }

    private static ulong Mix(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a ^ 0xA076_1D64_78BD_642F, b, out ulong low);
        return high ^ low;
    }
}

using System.Buffers.Binary;

namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>A remote UDP address by value.</summary>
/// <param name="Ip">The address; IPv4 as mapped.</param>
/// <param name="Port">The port.</param>
internal readonly record struct UdpRemoteKey(UInt128 Ip, ushort Port)
{
    private const ulong MappedPrefix = 0xffff_0000_0000;

    /// <summary>What limits count by: the IPv4 address, or the /64.</summary>
    public UInt128 Network => Ip >> 32 == 0xffff ? Ip : Ip >> 64 << 64;

    public static UdpRemoteKey Of(UdpRemote remote)
    {
        return new UdpRemoteKey(
            remote.Ip.Length == sizeof(uint)
                ? MappedPrefix | BinaryPrimitives.ReadUInt32BigEndian(remote.Ip)
                : BinaryPrimitives.ReadUInt128BigEndian(remote.Ip),
            remote.Port);
    }
}

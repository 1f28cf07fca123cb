using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>
/// struct virtio_net_hdr in front of every packet of an adapter with IFF_VNET_HDR, in the byte order of the machine.
/// <code>
/// | flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2 |
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct VirtioHeader
{
    internal const int Length = 10;
    internal const byte NeedsChecksum = 1;
    internal const byte None = 0;
    internal const byte TcpIpv4 = 1;
    internal const byte TcpIpv6 = 4;
    internal const byte Udp = 5;
    internal const byte EcnBit = 0x80;

    internal byte Flags;
    internal byte GsoType;
    internal ushort HeaderLength;
    internal ushort GsoSize;
    internal ushort ChecksumStart;
    internal ushort ChecksumOffset;
}

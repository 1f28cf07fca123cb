using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>A small super-packet of each kind, to find out whether a kernel takes it.</summary>
internal static class TunOffloadTest
{
    private const int SegmentSize = 64;
    private const int Length = 300;

    /// <summary>Virtio header, headers and payload.</summary>
    internal static byte[] Build(SegmentKind kind)
    {
        byte[] result = new byte[VirtioHeader.Length + Length];
        Span<byte> bytes = result;
        bool isIpv6 = kind == SegmentKind.TcpIpv6;
        bool isUdp = kind == SegmentKind.Udp;
        int network = isIpv6 ? 40 : 20;
        int header = network + (isUdp ? 8 : 20);
        VirtioHeader virtio = new()
        {
            Flags = VirtioHeader.NeedsChecksum,
            GsoType = isUdp ? VirtioHeader.Udp : isIpv6 ? VirtioHeader.TcpIpv6 : VirtioHeader.TcpIpv4,
            HeaderLength = (ushort)header,
            GsoSize = SegmentSize,
            ChecksumStart = (ushort)network,
            ChecksumOffset = isUdp ? (ushort)6 : (ushort)16,
        };
        MemoryMarshal.Write(bytes, virtio);
        Span<byte> packet = bytes[VirtioHeader.Length..];
        byte protocol = isUdp ? (byte)17 : (byte)6;
        if (isIpv6)
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(packet.Length - network));
            packet[6] = protocol;
            packet[7] = 1;
        }
        else
        {
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
            packet[8] = 1;
            packet[9] = protocol;
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], VectorChecksum.Finish(VectorChecksum.Add(packet[..network])));
        }

        // Discard port, to nobody: the device is down.
        BinaryPrimitives.WriteUInt16BigEndian(packet[network..], 9);
        BinaryPrimitives.WriteUInt16BigEndian(packet[(network + 2)..], 9);
        if (isUdp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[(network + 4)..], (ushort)(packet.Length - network));
        }
        else
        {
            packet[network + 12] = 0x50;
            packet[network + 13] = 0x10;
        }

        return result;
    }
}

using System.Buffers.Binary;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Platform.Network;

/// <summary>The kernel's table of link-layer addresses (arp(7)).</summary>
[SupportedOSPlatform("linux")]
internal static class NeighborTable
{
    private const int HeaderLength = 12;

    // Nobody has so many at once; the rest times out by itself.
    private const int MaxForgotten = 256;

    /// <summary>
    /// Forgets the questions of one interface that nobody has answered. What was asked while the cable was out is repeated by the kernel
    /// once a second and given up after three: packets would wait for that although the cable is back.
    /// </summary>
    /// <returns>How many were forgotten; 0 also if the kernel refuses.</returns>
    internal static int ForgetUnanswered(int interfaceIndex)
    {
        try
        {
            using NetlinkSocket socket = new();
            List<(byte[] Header, byte[] Address)> found = [];
            socket.Dump(RTM_GETNEIGH, Libc.AF_UNSPEC, HeaderLength, found.Clear, (in NetlinkMessage message) =>
            {
                if (found.Count < MaxForgotten && TryParse(in message, interfaceIndex, out byte[]? header, out byte[]? address))
                {
                    found.Add((header!, address!));
                }
            });
            int forgotten = 0;
            foreach ((byte[] header, byte[] address) in found)
            {
                forgotten += Delete(socket, header, address) ? 1 : 0;
            }

            return forgotten;
        }
        catch (PlatformException)
        {
            return 0;
        }
    }

    private static bool Delete(NetlinkSocket socket, byte[] header, byte[] address)
    {
        Span<byte> buffer = stackalloc byte[128];
        NetlinkWriter writer = new(buffer, RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, socket.NextSequence());
        header.CopyTo(writer.FamilyHeader(HeaderLength));
        writer.Attribute(NDA_DST, address);
        return socket.Request(writer.Finish(), out _) == 0;
    }

    // struct ndmsg: family u8 | padding u8 u16 | interface s32 | state u16 | flags u8 | type u8
    private static bool TryParse(in NetlinkMessage message, int interfaceIndex, out byte[]? header, out byte[]? address)
    {
        header = null;
        address = null;
        if (message.Type != RTM_NEWNEIGH
            || !message.TrySplit(HeaderLength, out ReadOnlySpan<byte> fields, out NetlinkAttributes attributes)
            || BinaryPrimitives.ReadInt32LittleEndian(fields[4..]) != interfaceIndex
            || (BinaryPrimitives.ReadUInt16LittleEndian(fields[8..]) & (NUD_INCOMPLETE | NUD_FAILED)) == 0)
        {
            return false;
        }

        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == NDA_DST && value.Length is 4 or 16)
            {
                header = fields.ToArray();
                address = value.ToArray();
            }
        }

        return address is not null;
    }
}

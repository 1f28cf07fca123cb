using System.Buffers.Binary;
using System.Net;
using Diode.Tunnel.Platform.Interop.Linux;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Finds the changes among the messages of rtnetlink. The kernel repeats links (statistics of wireless ones) and addresses (with every
/// router advertisement), so what is known of them is kept.
/// </summary>
internal sealed class NetworkEventFilter
{
    private const uint StateFlags = 0x10041; // IFF_UP, IFF_RUNNING, IFF_LOWER_UP
    private const uint UsableFlags = 0x68; // IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE
    private const byte LocalTable = 255;

    private readonly Dictionary<int, (uint Flags, uint Mtu)> _links = [];
    private readonly Dictionary<(int Index, IPAddress Address), uint> _addresses = [];

    /// <summary>Index of the interface of which nothing is told.</summary>
    internal int IgnoredInterface { get; set; }

    /// <summary>Index of the interface whose cable the last message said to be back; 0 if it said something else.</summary>
    internal int Plugged { get; private set; }

    /// <summary>Notes a message. Never throws.</summary>
    /// <returns>What it changes.</returns>
    internal SystemNetworkChange Observe(in NetlinkMessage message)
    {
        Plugged = 0;
        return message.Type switch
        {
            RTM_NEWLINK or RTM_DELLINK => ObserveLink(in message),
            RTM_NEWADDR or RTM_DELADDR => ObserveAddress(in message),
            RTM_NEWROUTE or RTM_DELROUTE => ObserveRoute(in message),
            _ => SystemNetworkChange.None,
        };
    }

    private SystemNetworkChange ObserveLink(in NetlinkMessage message)
    {
        if (!message.TrySplit(16, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes))
        {
            return SystemNetworkChange.None;
        }

        int index = BinaryPrimitives.ReadInt32LittleEndian(header[4..]);
        uint mtu = 0;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            mtu = type == IFLA_MTU ? NetlinkAttributes.UInt32(value) : mtu;
        }

        bool isChange;
        if (message.Type == RTM_DELLINK)
        {
            isChange = _links.Remove(index);
        }
        else
        {
            (uint Flags, uint Mtu) state = (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) & StateFlags, mtu);
            bool isKnown = _links.TryGetValue(index, out (uint Flags, uint Mtu) known);
            isChange = !isKnown || known != state;
            Plugged = isKnown && (state.Flags & ~known.Flags & IFF_LOWER_UP) != 0 && index != IgnoredInterface ? index : 0;
            _links[index] = state;
        }

        return isChange && index != IgnoredInterface ? SystemNetworkChange.Interfaces : SystemNetworkChange.None;
    }

    private SystemNetworkChange ObserveAddress(in NetlinkMessage message)
    {
        if (!message.TrySplit(8, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes))
        {
            return SystemNetworkChange.None;
        }

        int index = BinaryPrimitives.ReadInt32LittleEndian(header[4..]);
        uint flags = header[2];
        IPAddress? local = null;
        IPAddress? other = null;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case IFA_LOCAL:
                    local = NetlinkAttributes.Address(value);
                    break;
                case IFA_ADDRESS:
                    other = NetlinkAttributes.Address(value);
                    break;
                case IFA_FLAGS:
                    flags = NetlinkAttributes.UInt32(value);
                    break;
                default:
                    break;
            }
        }

        if ((local ?? other) is not { } address)
        {
            return SystemNetworkChange.None;
        }

        bool isChange;
        if (message.Type == RTM_DELADDR)
        {
            isChange = _addresses.Remove((index, address));
        }
        else
        {
            uint state = (flags & UsableFlags) | ((uint)header[1] << 16);
            isChange = !_addresses.TryGetValue((index, address), out uint known) || known != state;
            _addresses[(index, address)] = state;
        }

        return isChange && index != IgnoredInterface ? SystemNetworkChange.Addresses : SystemNetworkChange.None;
    }

    /// <summary>Routes are only told when they come or go. Those of the kernel's own table follow the addresses.</summary>
    private SystemNetworkChange ObserveRoute(in NetlinkMessage message)
    {
        if (!message.TrySplit(12, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes)
            || header[4] == LocalTable
            || header[7] != RTN_UNICAST
            || (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) & RTM_F_CLONED) != 0)
        {
            return SystemNetworkChange.None;
        }

        uint index = 0;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            index = type == RTA_OIF ? NetlinkAttributes.UInt32(value) : index;
        }

        return index == 0 || index != (uint)IgnoredInterface ? SystemNetworkChange.Routes : SystemNetworkChange.None;
    }
}

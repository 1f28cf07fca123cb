using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Interop.Linux;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Platform.Network;

/// <summary>Reads links, addresses, routes and rules over rtnetlink. The parsers never throw.</summary>
internal static class RtNetlinkQuery
{
    internal static List<InterfaceSnapshot> ReadInterfaces()
    {
        using NetlinkSocket socket = new();
        Dictionary<int, List<AddressSnapshot>> addresses = [];
        socket.Dump(RTM_GETADDR, Libc.AF_UNSPEC, 8, addresses.Clear, (in NetlinkMessage message) =>
        {
            if (TryParseAddress(in message, out int index, out AddressSnapshot? address))
            {
                if (!addresses.TryGetValue(index, out List<AddressSnapshot>? list))
                {
                    addresses[index] = list = [];
                }

                list.Add(address!);
            }
        });
        List<InterfaceSnapshot> interfaces = [];
        socket.Dump(RTM_GETLINK, Libc.AF_UNSPEC, 16, interfaces.Clear, (in NetlinkMessage message) =>
        {
            if (TryParseInterface(in message, out InterfaceSnapshot? entry))
            {
                interfaces.Add(entry! with { Addresses = addresses.GetValueOrDefault(entry.Index) ?? [] });
            }
        });
        return interfaces;
    }

    internal static List<RouteSnapshot> ReadRoutes()
    {
        using NetlinkSocket socket = new();
        List<RouteSnapshot> routes = [];
        socket.Dump(RTM_GETROUTE, Libc.AF_UNSPEC, 12, routes.Clear, (in NetlinkMessage message) =>
        {
            if (TryParseRoute(in message, out RouteSnapshot? route))
            {
                routes.Add(route!);
            }
        });
        return routes;
    }

    internal static List<RuleChange> ReadRules()
    {
        using NetlinkSocket socket = new();
        List<RuleChange> rules = [];
        socket.Dump(RTM_GETRULE, Libc.AF_UNSPEC, 12, rules.Clear, (in NetlinkMessage message) =>
        {
            if (TryParseRule(in message, out RuleChange? rule))
            {
                rules.Add(rule!);
            }
        });
        return rules;
    }

    internal static bool HasRoute(RouteChange change)
    {
        int? index = change.InterfaceName is { } name ? RtNetlink.IndexOf(name) : null;
        foreach (RouteSnapshot route in ReadRoutes())
        {
            if (route.Destination.Equals(change.Destination)
                && route.Table == change.Table
                && route.Type == change.Type
                && (change.Metric == 0 || route.Metric == change.Metric)
                && Equals(route.Gateway, change.Gateway)
                && (change.InterfaceName is null || route.InterfaceIndex == index))
            {
                return true;
            }
        }

        return false;
    }

    internal static bool HasRule(RuleChange change)
    {
        RuleChange wanted = change with
        {
            // The kernel reports no mask without a mark, and no table for other actions.
            FirewallMask = change.FirewallMark is null ? uint.MaxValue : change.FirewallMask,
            Table = change.IsUnreachable ? 0 : change.Table,
        };
        foreach (RuleChange rule in ReadRules())
        {
            if (rule.Identity == wanted.Identity)
            {
                return true;
            }
        }

        return false;
    }

    internal static bool HasAddress(AddressChange change)
    {
        foreach (InterfaceSnapshot entry in ReadInterfaces())
        {
            if (entry.Name != change.InterfaceName)
            {
                continue;
            }

            foreach (AddressSnapshot address in entry.Addresses)
            {
                if (address.Address.Equals(change.Address) && address.PrefixLength == change.PrefixLength)
                {
                    return true;
                }
            }
        }

        return false;
    }

    internal static bool TryParseInterface(in NetlinkMessage message, out InterfaceSnapshot? entry)
    {
        entry = null;
        if (message.Type != RTM_NEWLINK || !message.TrySplit(16, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes))
        {
            return false;
        }

        string? name = null;
        uint mtu = 0;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case IFLA_IFNAME:
                    name = NetlinkAttributes.Text(value);
                    break;
                case IFLA_MTU:
                    mtu = NetlinkAttributes.UInt32(value);
                    break;
                default:
                    break;
            }
        }

        if (name is null)
        {
            return false;
        }

        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        entry = new InterfaceSnapshot(
            BinaryPrimitives.ReadInt32LittleEndian(header[4..]),
            name,
            (int)Math.Min(mtu, int.MaxValue),
            (flags & IFF_UP) != 0,
            (flags & IFF_LOOPBACK) != 0,
            []);
        return true;
    }

    internal static bool TryParseAddress(in NetlinkMessage message, out int index, out AddressSnapshot? address)
    {
        index = 0;
        address = null;
        if (message.Type != RTM_NEWADDR || !message.TrySplit(8, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes))
        {
            return false;
        }

        IPAddress? local = null;
        IPAddress? peer = null;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case IFA_LOCAL:
                    local = NetlinkAttributes.Address(value);
                    break;
                case IFA_ADDRESS:
                    peer = NetlinkAttributes.Address(value);
                    break;
                default:
                    break;
            }
        }

        // IFA_ADDRESS is the far end of a point-to-point link; where there is no IFA_LOCAL (IPv6) it is ours.
        if ((local ?? peer) is not { } own)
        {
            return false;
        }

        index = BinaryPrimitives.ReadInt32LittleEndian(header[4..]);
        address = new AddressSnapshot(own, header[1]);
        return true;
    }

    internal static bool TryParseRoute(in NetlinkMessage message, out RouteSnapshot? route)
    {
        route = null;
        if (message.Type != RTM_NEWROUTE
            || !message.TrySplit(12, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes)
            || header[0] is not (Libc.AF_INET or Libc.AF_INET6)
            || (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) & RTM_F_CLONED) != 0)
        {
            return false;
        }

        IPAddress destination = header[0] == Libc.AF_INET ? IPAddress.Any : IPAddress.IPv6Any;
        IPAddress? gateway = null;
        uint table = header[4];
        uint metric = 0;
        uint index = 0;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case RTA_DST:
                    destination = NetlinkAttributes.Address(value) ?? destination;
                    break;
                case RTA_GATEWAY:
                    gateway = NetlinkAttributes.Address(value);
                    break;
                case RTA_TABLE:
                    table = NetlinkAttributes.UInt32(value);
                    break;
                case RTA_PRIORITY:
                    metric = NetlinkAttributes.UInt32(value);
                    break;
                case RTA_OIF:
                    index = NetlinkAttributes.UInt32(value);
                    break;
                default:
                    break;
            }
        }

        if (!TryNetwork(destination, header[1], out IPNetwork prefix))
        {
            return false;
        }

        RouteType? known = header[7] switch
        {
            RTN_UNICAST => RouteType.Unicast,
            RTN_UNREACHABLE => RouteType.Unreachable,
            RTN_BLACKHOLE => RouteType.Blackhole,
            RTN_THROW => RouteType.Throw,
            _ => null,
        };
        route = new RouteSnapshot(prefix, gateway, (int)index, table, metric, known);
        return true;
    }

    internal static bool TryParseRule(in NetlinkMessage message, out RuleChange? rule)
    {
        rule = null;
        if (message.Type != RTM_NEWRULE
            || !message.TrySplit(12, out ReadOnlySpan<byte> header, out NetlinkAttributes attributes)
            || header[0] is not (Libc.AF_INET or Libc.AF_INET6))
        {
            return false;
        }

        bool unreachable = header[7] == FR_ACT_UNREACHABLE;
        uint table = header[4];
        uint priority = 0;
        uint mark = 0;
        uint mask = 0;
        int? suppress = null;
        string? incoming = null;
        string? outgoing = null;
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case FRA_PRIORITY:
                    priority = NetlinkAttributes.UInt32(value);
                    break;
                case FRA_TABLE:
                    table = NetlinkAttributes.UInt32(value);
                    break;
                case FRA_FWMARK:
                    mark = NetlinkAttributes.UInt32(value);
                    break;
                case FRA_FWMASK:
                    mask = NetlinkAttributes.UInt32(value);
                    break;
                case FRA_SUPPRESS_PREFIXLEN:
                    // -1 means "no suppression".
                    suppress = (int)NetlinkAttributes.UInt32(value) is >= 0 and int length ? length : null;
                    break;
                case FRA_IIFNAME:
                    incoming = NetlinkAttributes.Text(value);
                    break;
                case FRA_OIFNAME:
                    outgoing = NetlinkAttributes.Text(value);
                    break;
                default:
                    break;
            }
        }

        AddressFamily family = header[0] == Libc.AF_INET ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
        rule = new RuleChange(family, priority, unreachable ? 0 : table)
        {
            FirewallMark = mask == 0 ? null : mark,
            FirewallMask = mask == 0 ? uint.MaxValue : mask,
            Invert = (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) & FIB_RULE_INVERT) != 0,
            SuppressPrefixLength = suppress,
            IncomingInterface = incoming,
            OutgoingInterface = outgoing,
            IsUnreachable = unreachable,
        };
        return true;
    }

    /// <summary>Builds a prefix, clearing bits behind it; false if the length does not suit the family.</summary>
    private static bool TryNetwork(IPAddress address, int prefixLength, out IPNetwork network)
    {
        Span<byte> bytes = stackalloc byte[16];
        network = default;
        if (!address.TryWriteBytes(bytes, out int length) || prefixLength > length * 8)
        {
            return false;
        }

        for (int bit = prefixLength; bit < length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        network = new IPNetwork(new IPAddress(bytes[..length]), prefixLength);
        return true;
    }
}

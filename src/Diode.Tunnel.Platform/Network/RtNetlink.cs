using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Links, addresses, routes and rules over rtnetlink, in the network namespace of the calling thread. Adding what is
/// there already and deleting what is gone already are successes.
/// </summary>
internal static class RtNetlink
{
    private const int InterfaceHeaderLength = 16;
    private const int AddressHeaderLength = 8;
    private const int RouteHeaderLength = 12;
    private const int RuleHeaderLength = 12;

    internal static void SetLink(string name, int? mtu = null, bool? isUp = null)
    {
        int index = IndexOf(name) ?? throw NoInterface(name);
        using NetlinkSocket socket = new();
        Span<byte> buffer = stackalloc byte[NetlinkSocket.RequestCapacity];
        NetlinkWriter writer = new(buffer, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, socket.NextSequence());
        // ifinfomsg: family u8 | pad u8 | type u16 | index i32 | flags u32 | changed flags u32
        Span<byte> header = writer.FamilyHeader(InterfaceHeaderLength);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], index);
        if (isUp is { } up)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(header[8..], up ? IFF_UP : 0);
            BinaryPrimitives.WriteUInt32LittleEndian(header[12..], IFF_UP);
        }

        if (mtu is { } bytes)
        {
            writer.Attribute(IFLA_MTU, (uint)bytes);
        }

        Check($"Could not configure the interface '{name}'", socket.Request(writer.Finish(), out string? why), why, 0);
    }

    internal static void AddAddress(AddressChange change)
    {
        int index = IndexOf(change.InterfaceName) ?? throw NoInterface(change.InterfaceName);
        int errno = SendAddress(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, change, index, out string? why);
        Check($"Could not add the address {change.Address}/{change.PrefixLength} to '{change.InterfaceName}'", errno, why, Libc.EEXIST);
    }

    internal static void DeleteAddress(AddressChange change)
    {
        if (IndexOf(change.InterfaceName) is not { } index)
        {
            return;
        }

        int errno = SendAddress(RTM_DELADDR, 0, change, index, out string? why);
        if (errno is Libc.EADDRNOTAVAIL or Libc.ENODEV)
        {
            return;
        }

        Check($"Could not remove the address {change.Address} from '{change.InterfaceName}'", errno, why, 0);
    }

    internal static void AddRoute(RouteChange change)
    {
        int errno = SendRoute(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, change, RequireIndex(change.InterfaceName), out string? why);
        if (errno == Libc.EEXIST && !RtNetlinkQuery.HasRoute(change))
        {
            throw PlatformException.FromErrno(
                $"Could not add the route to {change.Destination} in table {change.Table}",
                errno,
                $"another program has a route to the same destination: see 'ip route show table {change.Table}'");
        }

        Check($"Could not add the route to {change.Destination} in table {change.Table}", errno, why, Libc.EEXIST);
    }

    internal static void DeleteRoute(RouteChange change)
    {
        int index = 0;
        if (change.InterfaceName is { } name)
        {
            if (IndexOf(name) is not { } found)
            {
                return;
            }

            index = found;
        }

        int errno = SendRoute(RTM_DELROUTE, 0, change, index, out string? why);
        if (errno is Libc.ESRCH or Libc.ENODEV or Libc.ENOENT)
        {
            return;
        }

        Check($"Could not remove the route to {change.Destination} from table {change.Table}", errno, why, 0);
    }

    internal static void AddRule(RuleChange change)
    {
        int errno = SendRule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, change, out string? why);
        Check($"Could not add the routing rule with priority {change.Priority}", errno, why, Libc.EEXIST);
    }

    internal static void DeleteRule(RuleChange change)
    {
        int errno = SendRule(RTM_DELRULE, 0, change, out string? why);
        if (errno is Libc.ENOENT or Libc.ESRCH)
        {
            return;
        }

        Check($"Could not remove the routing rule with priority {change.Priority}", errno, why, Libc.EAFNOSUPPORT);
    }

    internal static int? IndexOf(string interfaceName)
    {
        uint index = Libc.IfNameToIndex(interfaceName);
        return index == 0 ? null : (int)index;
    }

    /// <summary>The kernel's number of a route type.</summary>
    internal static byte KernelType(RouteType type) => type switch
    {
        RouteType.Unicast => RTN_UNICAST,
        RouteType.Unreachable => RTN_UNREACHABLE,
        RouteType.Blackhole => RTN_BLACKHOLE,
        RouteType.Throw => RTN_THROW,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    internal static byte KernelFamily(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => Libc.AF_INET,
        AddressFamily.InterNetworkV6 => Libc.AF_INET6,
        _ => throw new ArgumentOutOfRangeException(nameof(family)),
    };

    private static int SendAddress(ushort type, ushort flags, AddressChange change, int index, out string? why)
    {
        using NetlinkSocket socket = new();
        Span<byte> buffer = stackalloc byte[NetlinkSocket.RequestCapacity];
        NetlinkWriter writer = new(buffer, type, (ushort)(NLM_F_REQUEST | NLM_F_ACK | flags), socket.NextSequence());
        // ifaddrmsg: family u8 | prefix length u8 | flags u8 | scope u8 | index u32
        Span<byte> header = writer.FamilyHeader(AddressHeaderLength);
        header[0] = KernelFamily(change.Address.AddressFamily);
        header[1] = (byte)change.PrefixLength;
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], index);
        byte[] address = change.Address.GetAddressBytes();
        writer.Attribute(IFA_LOCAL, address);
        writer.Attribute(IFA_ADDRESS, address);
        if (address.Length == 16)
        {
            // A point-to-point adapter has nobody to ask, and a tentative address cannot be bound to.
            writer.Attribute(IFA_FLAGS, IFA_F_NODAD);
        }

        return socket.Request(writer.Finish(), out why);
    }

    private static int SendRoute(ushort type, ushort flags, RouteChange change, int index, out string? why)
    {
        using NetlinkSocket socket = new();
        Span<byte> buffer = stackalloc byte[NetlinkSocket.RequestCapacity];
        NetlinkWriter writer = new(buffer, type, (ushort)(NLM_F_REQUEST | NLM_F_ACK | flags), socket.NextSequence());
        // rtmsg: family u8 | dst length u8 | src length u8 | tos u8 | table u8 | protocol u8 | scope u8 | type u8 | flags u32
        Span<byte> header = writer.FamilyHeader(RouteHeaderLength);
        header[0] = KernelFamily(change.Destination.BaseAddress.AddressFamily);
        header[1] = (byte)change.Destination.PrefixLength;
        header[4] = (byte)(change.Table <= byte.MaxValue ? change.Table : 0);
        header[5] = RTPROT_STATIC;
        header[6] = change is { Type: RouteType.Unicast, Gateway: null } ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
        header[7] = KernelType(change.Type);
        writer.Attribute(RTA_TABLE, change.Table);
        if (change.Destination.PrefixLength > 0)
        {
            writer.Attribute(RTA_DST, change.Destination.BaseAddress.GetAddressBytes());
        }

        if (change.Gateway is { } gateway)
        {
            writer.Attribute(RTA_GATEWAY, gateway.GetAddressBytes());
        }

        if (index != 0)
        {
            writer.Attribute(RTA_OIF, (uint)index);
        }

        if (change.Metric != 0)
        {
            writer.Attribute(RTA_PRIORITY, change.Metric);
        }

        return socket.Request(writer.Finish(), out why);
    }

    private static int SendRule(ushort type, ushort flags, RuleChange change, out string? why)
    {
        using NetlinkSocket socket = new();
        Span<byte> buffer = stackalloc byte[NetlinkSocket.RequestCapacity];
        NetlinkWriter writer = new(buffer, type, (ushort)(NLM_F_REQUEST | NLM_F_ACK | flags), socket.NextSequence());
        // fib_rule_hdr: family u8 | dst length u8 | src length u8 | tos u8 | table u8 | reserved u16 | action u8 | flags u32
        Span<byte> header = writer.FamilyHeader(RuleHeaderLength);
        header[0] = KernelFamily(change.Family);
        header[4] = (byte)(change.Table <= byte.MaxValue ? change.Table : 0);
        header[7] = change.IsUnreachable ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL;
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], change.Invert ? FIB_RULE_INVERT : 0);
        writer.Attribute(FRA_PRIORITY, change.Priority);
        if (!change.IsUnreachable)
        {
            writer.Attribute(FRA_TABLE, change.Table);
        }

        if (change.FirewallMark is { } mark)
        {
            writer.Attribute(FRA_FWMARK, mark);
            writer.Attribute(FRA_FWMASK, change.FirewallMask);
        }

        if (change.SuppressPrefixLength is { } suppress)
        {
            writer.Attribute(FRA_SUPPRESS_PREFIXLEN, (uint)suppress);
        }

        if (change.IncomingInterface is { } incoming)
        {
            writer.Attribute(FRA_IIFNAME, incoming);
        }

        if (change.OutgoingInterface is { } outgoing)
        {
            writer.Attribute(FRA_OIFNAME, outgoing);
        }

        return socket.Request(writer.Finish(), out why);
    }

    private static int RequireIndex(string? interfaceName) =>
        interfaceName is null ? 0 : IndexOf(interfaceName) ?? throw NoInterface(interfaceName);

    private static PlatformException NoInterface(string name) =>
        new($"There is no network interface '{name}'", Libc.ENODEV, "see 'ip link'");

    private static void Check(string attempt, int errno, string? explanation, int accepted)
    {
        if (errno == 0 || errno == accepted)
        {
            return;
        }

        if (errno is Libc.EPERM or Libc.EACCES)
        {
            throw PlatformException.FromErrno(attempt, errno, "run as root, for example with sudo (needs CAP_NET_ADMIN)");
        }

        throw explanation is null
            ? PlatformException.FromErrno(attempt, errno)
            : new PlatformException($"{attempt}: {explanation}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})", errno);
    }
}

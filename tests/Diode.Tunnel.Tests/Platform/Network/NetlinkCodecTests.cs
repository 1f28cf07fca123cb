using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Network;
using Xunit;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Tests.Platform.Network;

public sealed class NetlinkCodecTests
{
    [Fact]
    public void A_message_is_laid_out_as_the_kernel_wants_it()
    {
        NetlinkWriter writer = new(new byte[128], RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 7);
        writer.FamilyHeader(16)[4] = 3;
        writer.Attribute(IFLA_MTU, 1280u);
        writer.Attribute(IFLA_IFNAME, "abc");
        writer.Attribute(99, [1]);

        Assert.Equal(
            "38000000" + "1000" + "0500" + "07000000" + "00000000"
            + "00000000" + "03000000" + "00000000" + "00000000"
            + "0800" + "0400" + "00050000"
            + "0800" + "0300" + "61626300"
            + "0500" + "6300" + "01000000",
            Convert.ToHexStringLower(writer.Finish()));
    }

    [Fact]
    public void Messages_and_attributes_are_read_back()
    {
        byte[] datagram = [.. Route(), .. Rule()];
        NetlinkReader reader = new(datagram);

        Assert.True(reader.TryRead(out NetlinkMessage first));
        Assert.True(RtNetlinkQuery.TryParseRoute(in first, out RouteSnapshot? route));
        Assert.Equal(
            new RouteSnapshot(IPNetwork.Parse("10.1.0.0/16"), IPAddress.Parse("10.9.9.9"), 4, 856286, 77, RouteType.Unicast), route);
        Assert.True(reader.TryRead(out NetlinkMessage second));
        Assert.True(RtNetlinkQuery.TryParseRule(in second, out RuleChange? rule));
        Assert.Equal(
            new RuleChange(AddressFamily.InterNetworkV6, 5200, 52) { FirewallMark = 5, FirewallMask = 15, Invert = true, SuppressPrefixLength = 0, IncomingInterface = "lo" },
            rule);
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public void A_refusal_carries_the_errno_and_the_kernels_words()
    {
        NetlinkMessage message = First(Error(-22, "Invalid gateway"));

        Assert.True(message.TryReadError(out int errno, out string? explanation));
        Assert.Equal((22, "Invalid gateway"), (errno, explanation));
    }

    [Fact]
    public void Mutated_messages_never_throw()
    {
        byte[] seed = [.. Route(), .. Rule(), .. Link(), .. Address(), .. Error(-1, "no")];
        Random random = new(20260101);
        byte[] buffer = new byte[seed.Length];
        long parsed = 0;
        for (int i = 0; i < 120_000; i++)
        {
            seed.CopyTo(buffer, 0);
            for (int n = random.Next(1, 6); n > 0; n--)
            {
                // Half of the damage hits small values, which lengths and types are.
                buffer[random.Next(buffer.Length)] = (byte)(random.Next(2) == 0 ? random.Next(40) : random.Next(256));
            }

            NetlinkReader reader = new(buffer.AsSpan(0, random.Next(4) == 0 ? random.Next(buffer.Length) : buffer.Length));
            while (reader.TryRead(out NetlinkMessage message))
            {
                parsed += RtNetlinkQuery.TryParseRoute(in message, out _) ? 1 : 0;
                parsed += RtNetlinkQuery.TryParseRule(in message, out _) ? 1 : 0;
                parsed += RtNetlinkQuery.TryParseInterface(in message, out _) ? 1 : 0;
                parsed += RtNetlinkQuery.TryParseAddress(in message, out _, out _) ? 1 : 0;
                parsed += message.TryReadError(out _, out _) ? 1 : 0;
            }
        }

        Assert.True(parsed > 120_000);
    }

    [Fact]
    public void Overlaps_are_found_in_both_directions()
    {
        RouteSnapshot Of(string prefix, int index = 1) => new(IPNetwork.Parse(prefix), null, index, 254, 0, RouteType.Unicast);
        NetworkSnapshot snapshot = new(
            [], [Of("0.0.0.0/0"), Of("100.64.5.0/24"), Of("100.0.0.0/8"), Of("100.64.0.0/10", 9), Of("10.0.0.0/8"), Of("fd00::/8")], []);

        Assert.Equal(
            ["100.64.5.0/24", "100.0.0.0/8"],
            snapshot.FindOverlaps(IPNetwork.Parse("100.64.0.0/10"), exceptInterfaceIndex: 9).Select(route => route.Destination.ToString()));
    }

    private static NetlinkMessage First(byte[] bytes)
    {
        NetlinkReader reader = new(bytes);
        Assert.True(reader.TryRead(out NetlinkMessage message));
        return message;
    }

    private static byte[] Route()
    {
        NetlinkWriter writer = new(new byte[256], RTM_NEWROUTE, 0, 1);
        Span<byte> header = writer.FamilyHeader(12);
        header[0] = Libc.AF_INET;
        header[1] = 16;
        header[7] = RTN_UNICAST;
        writer.Attribute(RTA_DST, [10, 1, 0, 0]);
        writer.Attribute(RTA_GATEWAY, [10, 9, 9, 9]);
        writer.Attribute(RTA_TABLE, 856286u);
        writer.Attribute(RTA_PRIORITY, 77u);
        writer.Attribute(RTA_OIF, 4u);
        return writer.Finish().ToArray();
    }

    private static byte[] Rule()
    {
        NetlinkWriter writer = new(new byte[256], RTM_NEWRULE, 0, 1);
        Span<byte> header = writer.FamilyHeader(12);
        header[0] = Libc.AF_INET6;
        header[7] = FR_ACT_TO_TBL;
        header[8] = (byte)FIB_RULE_INVERT;
        writer.Attribute(FRA_PRIORITY, 5200u);
        writer.Attribute(FRA_TABLE, 52u);
        writer.Attribute(FRA_FWMARK, 5u);
        writer.Attribute(FRA_FWMASK, 15u);
        writer.Attribute(FRA_SUPPRESS_PREFIXLEN, 0u);
        writer.Attribute(FRA_IIFNAME, "lo");
        return writer.Finish().ToArray();
    }

    private static byte[] Link()
    {
        NetlinkWriter writer = new(new byte[256], RTM_NEWLINK, 0, 1);
        writer.FamilyHeader(16);
        writer.Attribute(IFLA_IFNAME, "eth0");
        writer.Attribute(IFLA_MTU, 1500u);
        return writer.Finish().ToArray();
    }

    private static byte[] Address()
    {
        NetlinkWriter writer = new(new byte[256], RTM_NEWADDR, 0, 1);
        writer.FamilyHeader(8)[1] = 24;
        writer.Attribute(IFA_LOCAL, [10, 0, 0, 1]);
        writer.Attribute(IFA_ADDRESS, [10, 0, 0, 2]);
        return writer.Finish().ToArray();
    }

    private static byte[] Error(int code, string text)
    {
        NetlinkWriter writer = new(new byte[256], NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 1);
        Span<byte> header = writer.FamilyHeader(4 + NetlinkWriter.HeaderLength);
        BitConverter.TryWriteBytes(header, code);
        writer.Attribute(NLMSGERR_ATTR_MSG, text);
        return writer.Finish().ToArray();
    }
}

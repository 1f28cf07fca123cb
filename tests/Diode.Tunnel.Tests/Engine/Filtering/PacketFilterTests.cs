using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Filtering;

public class PacketFilterTests
{
    private const string Me = "100.64.0.1";
    private const string Them = "100.64.0.2";
    private const string Me6 = "fdf8:43cd:6db1::1";
    private const string Them6 = "fdf8:43cd:6db1::2";
    private static readonly FilterPeer Member = new(1, Address.Parse("0x00000000000000000000000000000000000000a1"), true);
    private static readonly FilterPeer Stranger = new(2, Address.Parse("0x00000000000000000000000000000000000000b0"), false);
    private readonly PacketFilter _filter = new();
    private long _now = 1_000_000;

    [Theory]
    [InlineData(Me, Them)]
    [InlineData(Me6, Them6)]
    public void Nothing_comes_in_without_a_rule(string me, string them)
    {
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(them, me, 1000, 22, TcpFlags.Syn)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(them, me, 1000, 22, TcpFlags.Ack)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Udp(them, me, 1000, 53)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Ip(them, me, 47, new byte[8])));
        Assert.Equal(FilterVerdict.NoFlow, In(PacketBuilder.Echo(them, me, reply: true)));
        Assert.Equal(3 + 1, _filter.DropCount(FilterVerdict.NotPublished));
        Assert.Equal(0, _filter.CountFlows(_now));
    }

    [Theory]
    [InlineData(Me, Them)]
    [InlineData(Me6, Them6)]
    public void Replies_to_what_this_machine_started_come_in(string me, string them)
    {
        AssertPass(Out(PacketBuilder.Tcp(me, them, 40000, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(them, me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack)));
        AssertPass(Out(PacketBuilder.Udp(me, them, 5000, 53)));
        AssertPass(In(PacketBuilder.Udp(them, me, 53, 5000)));
        AssertPass(Out(PacketBuilder.Echo(me, them)));
        AssertPass(In(PacketBuilder.Echo(them, me, reply: true)));
        AssertPass(Out(PacketBuilder.Ip(me, them, 47, new byte[8])));
        AssertPass(In(PacketBuilder.Ip(them, me, 47, new byte[8])));
        Assert.Equal(FilterVerdict.NoFlow, In(PacketBuilder.Echo(them, me, reply: true, id: 78)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Udp(them, me, 54, 5000)));
        Assert.Equal(4, _filter.CountFlows(_now));
    }

    [Fact]
    public void A_peer_can_not_use_another_peers_flow()
    {
        AssertPass(Out(PacketBuilder.Udp(Me, Them, 5000, 53)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Udp(Them, Me, 53, 5000), Stranger));
        AssertPass(In(PacketBuilder.Udp(Them, Me, 53, 5000)));
    }

    [Fact]
    public void Published_ports_are_open_to_whom_they_are_published()
    {
        Publish("22/tcp to fleet\n80/tcp to public\n");
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Syn)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 22, 1000, TcpFlags.Syn | TcpFlags.Ack)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Ack)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Syn), Stranger));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 80, TcpFlags.Syn), Stranger));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Udp(Them, Me, 1000, 22)));
    }

    [Fact]
    public void Withdrawing_a_rule_cuts_running_connections_and_keeps_them_cut()
    {
        Publish("22/tcp to fleet\n53/udp to fleet\n");
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Udp(Them, Me, 1000, 53)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 443, TcpFlags.Syn)));
        Publish("");
        Assert.Equal(FilterVerdict.Revoked, In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Ack)));
        for (int i = 0; i < 10; i++)
        {
            // The server keeps retransmitting: that must not look like a connection of ours.
            Assert.Equal(FilterVerdict.Revoked, Out(PacketBuilder.Tcp(Me, Them, 22, 1000, TcpFlags.Ack)));
            Assert.Equal(FilterVerdict.Revoked, Out(PacketBuilder.Udp(Me, Them, 53, 1000)));
            Advance(TimeSpan.FromMinutes(2));
        }

        Assert.Equal(FilterVerdict.Revoked, In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Ack)));
        Assert.Equal(FilterVerdict.Revoked, In(PacketBuilder.Udp(Them, Me, 1000, 53)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 443, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 443, 40000, TcpFlags.Ack)));
        Publish("22/tcp to fleet\n");
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Ack)));
    }

    [Fact]
    public void Leaving_the_fleet_cuts_what_the_fleet_was_allowed()
    {
        Publish("22/tcp to fleet\n80/tcp to public\n");
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 80, TcpFlags.Syn)));
        FilterPeer left = Member with { IsFleetMember = false };
        _filter.Recheck();
        Assert.Equal(FilterVerdict.Revoked, In(PacketBuilder.Tcp(Them, Me, 1000, 22, TcpFlags.Ack), left));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 1000, 80, TcpFlags.Ack), left));
        Assert.Equal(FilterVerdict.PingDenied, In(PacketBuilder.Echo(Them, Me), left));
        _filter.RemovePeer(Member.Id);
        Assert.Equal(0, _filter.CountFlows(_now));
    }

    [Fact]
    public void Members_may_ping_unless_switched_off()
    {
        AssertPass(In(PacketBuilder.Echo(Them, Me)));
        AssertPass(In(PacketBuilder.Echo(Them6, Me6)));
        AssertPass(Out(PacketBuilder.Echo(Me, Them, reply: true)));
        Assert.Equal(FilterVerdict.PingDenied, In(PacketBuilder.Echo(Them, Me), Stranger));
        var silent = new PacketFilter(new PacketFilterOptions { AllowPingFromFleet = false });
        byte[] ping = PacketBuilder.Echo(Them, Me);
        Assert.Equal(FilterVerdict.PingDenied, silent.Inbound(ping, PacketBuilder.Parse(ping), Member, 0));
        Publish("all to public\n");
        AssertPass(In(PacketBuilder.Echo(Them, Me), Stranger));
    }

    [Fact]
    public void Errors_pass_only_about_known_flows_of_that_peer()
    {
        byte[] sent = PacketBuilder.Udp(Me, Them, 5000, 53);
        byte[] error = PacketBuilder.Icmp(Them, Me, 3, 3, sent.AsSpan(0, 28));
        Assert.Equal(FilterVerdict.NoFlow, In(error));
        AssertPass(Out(sent));
        AssertPass(In(error));
        Assert.Equal(FilterVerdict.NoFlow, In(error, Stranger));
        Assert.Equal(FilterVerdict.NoFlow, In(PacketBuilder.Icmp(Them, Me, 3, 3, PacketBuilder.Udp(Me, Them, 5001, 53))));
        Assert.Equal(FilterVerdict.NoFlow, In(PacketBuilder.Icmp(Them, Me, 3, 3, new byte[28])));
        byte[] sent6 = PacketBuilder.Tcp(Me6, Them6, 40000, 80, TcpFlags.Syn);
        AssertPass(Out(sent6));
        AssertPass(In(PacketBuilder.Icmp(Them6, Me6, 2, 0, sent6)));
        Assert.Equal(FilterVerdict.IcmpDenied, In(PacketBuilder.Icmp(Them, Me, 5, 1, sent)));
        Assert.Equal(FilterVerdict.IcmpDenied, In(PacketBuilder.Icmp(Them6, Me6, 134, 0, new byte[8])));
        AssertPass(Out(PacketBuilder.Icmp(Me, Them, 3, 3, PacketBuilder.Udp(Them, Me, 1, 2))));
    }

    [Fact]
    public void Errors_do_not_keep_a_flow_alive()
    {
        byte[] sent = PacketBuilder.Udp(Me, Them, 5000, 53);
        AssertPass(Out(sent));
        Advance(TimeSpan.FromMinutes(2));
        AssertPass(In(PacketBuilder.Icmp(Them, Me, 3, 3, sent)));
        Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Udp(Them, Me, 53, 5000)));
    }

    [Fact]
    public void Flows_expire_by_protocol()
    {
        AssertTimeout(PacketBuilder.Udp(Me, Them, 5000, 53), PacketBuilder.Udp(Them, Me, 53, 5000), TimeSpan.FromMinutes(3));
        AssertTimeout(PacketBuilder.Echo(Me, Them), PacketBuilder.Echo(Them, Me, reply: true), TimeSpan.FromSeconds(30));
        AssertTimeout(
            PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn),
            PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack),
            TimeSpan.FromSeconds(60));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40001, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40001, TcpFlags.Syn | TcpFlags.Ack)));
        Advance(TimeSpan.FromMinutes(12) - TimeSpan.FromSeconds(1));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40001, TcpFlags.Ack)));
        Advance(TimeSpan.FromMinutes(12));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(Them, Me, 22, 40001, TcpFlags.Ack)));
    }

    [Theory]
    [InlineData(TcpFlags.Rst, false)]
    [InlineData(TcpFlags.Fin | TcpFlags.Ack, true)]
    public void A_closed_tcp_connection_is_forgotten_early(byte flags, bool both)
    {
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, flags)));
        if (both)
        {
            Advance(TimeSpan.FromMinutes(5)); // half closed stays
            AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack)));
            AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, flags)));
        }

        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack)));
        Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack)));
    }

    [Fact]
    public void Reused_ports_begin_a_new_connection()
    {
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Rst)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack)));
        Advance(TimeSpan.FromMinutes(5));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack)));
    }

    [Fact]
    public void An_opening_from_outside_is_never_taken_for_a_reply()
    {
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack)));
    }

    [Fact]
    public void A_running_connection_is_taken_up_from_a_client_port_only()
    {
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Ack)));
        AssertPass(In(PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack)));
        AssertPass(Out(PacketBuilder.Tcp(Me, Them, 22, 40000, TcpFlags.Ack)));
        Assert.Equal(FilterVerdict.NotPublished, In(PacketBuilder.Tcp(Them, Me, 40000, 22, TcpFlags.Ack)));
    }

    [Fact]
    public void Later_fragments_follow_a_first_one_that_passed()
    {
        byte[] first = PacketBuilder.Udp(Them, Me, 53, 5000);
        first[6] = 0x20;
        byte[] later = PacketBuilder.Udp(Them, Me, 53, 5000);
        later[7] = 3;
        Assert.Equal(FilterVerdict.NotPublished, In(first));
        Assert.Equal(FilterVerdict.Fragment, In(later));
        AssertPass(Out(PacketBuilder.Udp(Me, Them, 5000, 53)));
        AssertPass(In(first));
        AssertPass(In(later));
        Assert.Equal(FilterVerdict.Fragment, In(later, Stranger));
        later[5] ^= 1; // another identification
        Assert.Equal(FilterVerdict.Fragment, In(later));
        Advance(TimeSpan.FromSeconds(31));
        later[5] ^= 1;
        Assert.Equal(FilterVerdict.Fragment, In(later));
    }

    [Fact]
    public void The_table_is_bounded_and_one_peer_can_not_push_out_the_others()
    {
        var filter = new PacketFilter(new PacketFilterOptions { MaxFlows = 1024 });
        Assert.True(PublishRules.TryParse("all to public\n", out PublishRules? rules, out _));
        filter.SetPolicy(rules.Resolve(_ => []));
        byte[] ours = PacketBuilder.Tcp(Me, Them, 40000, 22, TcpFlags.Syn);
        byte[] reply = PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Syn | TcpFlags.Ack);
        filter.Outbound(PacketBuilder.Parse(ours), Member, 0);
        filter.Inbound(reply, PacketBuilder.Parse(reply), Member, 0);
        filter.SetPolicy(PublishPolicy.Nothing);
        filter.SetPolicy(rules.Resolve(_ => []));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] flood = PacketBuilder.Udp(Them, Me, (ushort)i, 9);
            filter.Inbound(flood, PacketBuilder.Parse(flood), Stranger, i);
        }

        Assert.InRange(filter.CountFlows(20_000), 900, 1024);
        filter.SetPolicy(PublishPolicy.Nothing);
        byte[] more = PacketBuilder.Tcp(Them, Me, 22, 40000, TcpFlags.Ack);
        AssertPass(filter.Inbound(more, PacketBuilder.Parse(more), Member, 20_001));
    }

    [Fact]
    public void Many_threads_agree()
    {
        Publish("53/udp to fleet\n");
        long passed = 0;
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, thread =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                ushort port = (ushort)(10_000 + (thread * 1_000) + i);
                byte[] query = thread % 2 == 0 ? PacketBuilder.Udp(Me, Them, port, 99) : PacketBuilder.Udp(Them, Me, port, 53);
                byte[] answer = thread % 2 == 0 ? PacketBuilder.Udp(Them, Me, 99, port) : PacketBuilder.Udp(Me, Them, 53, port);
                FilterVerdict first = thread % 2 == 0
                    ? _filter.Outbound(PacketBuilder.Parse(query), Member, 5)
                    : _filter.Inbound(query, PacketBuilder.Parse(query), Member, 5);
                FilterVerdict second = thread % 2 == 0
                    ? _filter.Inbound(answer, PacketBuilder.Parse(answer), Member, 6)
                    : _filter.Outbound(PacketBuilder.Parse(answer), Member, 6);
                Interlocked.Add(ref passed, (first == FilterVerdict.Pass ? 1 : 0) + (second == FilterVerdict.Pass ? 1 : 0));
            }
        });
        Assert.Equal(8_000, passed);
        Assert.Equal(4_000, _filter.CountFlows(7));
    }

    [Fact]
    public void Judging_allocates_nothing()
    {
        Publish("22/tcp to fleet\n80-90 to laptop\n");
        byte[] outbound = PacketBuilder.Udp(Me, Them, 5000, 53);
        byte[] inbound = PacketBuilder.Udp(Them, Me, 53, 5000);
        byte[] error = PacketBuilder.Icmp(Them, Me, 3, 3, outbound);
        byte[] denied = PacketBuilder.Tcp(Them, Me, 1, 99, TcpFlags.Syn);
        byte[] work = PacketBuilder.Tcp(Them, Me, 1, 22, TcpFlags.Syn);
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 5_000; i++)
            {
                work[20] = (byte)(i >> 8);
                work[21] = (byte)i; // a new flow each time
                Judge(outbound, false);
                Judge(inbound, true);
                Judge(error, true);
                Judge(denied, true);
                Judge(work, true);
            }
        }));
    }

    private static void AssertPass(FilterVerdict verdict)
    {
        Assert.Equal(FilterVerdict.Pass, verdict);
    }

    private void AssertTimeout(byte[] sent, byte[] reply, TimeSpan timeout)
    {
        AssertPass(Out(sent));
        Advance(timeout - TimeSpan.FromTicks(1));
        Assert.NotEqual(0, _filter.CountFlows(_now));
        Advance(TimeSpan.FromTicks(1));
        Assert.NotEqual(FilterVerdict.Pass, In(reply));
    }

    private void Judge(byte[] bytes, bool inbound)
    {
        _ = IpPacket.TryParse(bytes, out IpPacket packet);
        _ = inbound ? _filter.Inbound(bytes, packet, Member, _now) : _filter.Outbound(packet, Member, _now);
    }

    private void Advance(TimeSpan by)
    {
        _now += by.Ticks;
    }

    private void Publish(string rules)
    {
        Assert.True(PublishRules.TryParse(rules, out PublishRules? parsed, out string? problem), problem);
        _filter.SetPolicy(parsed.Resolve(_ => []));
    }

    private FilterVerdict In(byte[] bytes, FilterPeer? peer = null)
    {
        return _filter.Inbound(bytes, PacketBuilder.Parse(bytes), peer ?? Member, _now);
    }

    private FilterVerdict Out(byte[] bytes)
    {
        return _filter.Outbound(PacketBuilder.Parse(bytes), Member, _now);
    }
}

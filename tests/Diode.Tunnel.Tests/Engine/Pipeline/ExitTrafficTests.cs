using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>A client and its exit: what passes between the client's programs and the internet.</summary>
public sealed class ExitTrafficTests : IDisposable
{
    private const string Internet = "8.8.8.8";
    private const string Internet6 = "2001:4860:4860::8888";

    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly PipelineNode _client;
    private readonly PipelineNode _exit;

    public ExitTrafficTests()
    {
        _client = new PipelineNode(PipelineNode.MakeDevice(1), _time);
        _exit = new PipelineNode(PipelineNode.MakeDevice(2), _time);
        PipelineNode.Connect(_client, _exit);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_client_reaches_the_internet_and_gets_the_reply(bool ipv6)
    {
        UseExit(ExitFamilies.Ipv4 | ExitFamilies.Ipv6);
        (string me, string host) = ipv6 ? (_client.Ipv6, Internet6) : (_client.Ipv4, Internet);
        byte[] request = PacketBuilder.Udp(me, host, 5000, 443);
        Assert.Equal(request, Through(_client, request, _exit));
        byte[] reply = PacketBuilder.Udp(host, me, 443, 5000);
        Assert.Equal(reply, Through(_exit, reply, _client));
    }

    [Fact]
    public void A_peer_that_is_no_client_reaches_nothing()
    {
        _client.UseExit(_exit, ExitFamilies.Ipv4);
        Assert.Null(Through(_client, PacketBuilder.Udp(_client.Ipv4, Internet, 5000, 443), _exit));
        Assert.Equal(1, _exit.Pipeline.Drops(PipelineDrop.InForeignDestination));
    }

    [Theory]
    [InlineData("10.0.0.1")]
    [InlineData("192.168.1.1")]
    [InlineData("169.254.169.254")]
    [InlineData("172.20.0.1")]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("100.64.5.5")]
    [InlineData("100.100.100.100")]
    [InlineData("fe80::1")]
    [InlineData("fd00::1")]
    [InlineData("2002:a00:1::1")]
    [InlineData("64:ff9b::a00:1")]
    public void A_client_reaches_public_addresses_only(string destination)
    {
        UseExit(ExitFamilies.Ipv4 | ExitFamilies.Ipv6);
        string me = destination.Contains(':') ? _client.Ipv6 : _client.Ipv4;
        _client.SendUnchecked(_exit, PacketBuilder.Udp(me, destination, 5000, 443));
        PipelineNode.Run(_client, _exit);
        Assert.False(_exit.Adapter.TryTakeWritten(out _));
        Assert.Equal(1, _exit.Pipeline.Drops(PipelineDrop.InForeignDestination));
    }

    [Fact]
    public void A_client_can_not_use_another_source()
    {
        UseExit(ExitFamilies.Ipv4);
        _client.SendUnchecked(_exit, PacketBuilder.Udp("100.64.9.9", Internet, 5000, 443));
        PipelineNode.Run(_client, _exit);
        Assert.False(_exit.Adapter.TryTakeWritten(out _));
        Assert.Equal(1, _exit.Pipeline.Drops(PipelineDrop.InForeignSource));
    }

    [Fact]
    public void A_client_reaches_the_exits_resolver_although_nothing_is_published()
    {
        UseExit(ExitFamilies.Ipv4);
        byte[] query = PacketBuilder.Udp(_client.Ipv4, _exit.Ipv4, 5000, 53);
        Assert.Equal(query, Through(_client, query, _exit));
        byte[] answer = PacketBuilder.Udp(_exit.Ipv4, _client.Ipv4, 53, 5000);
        Assert.Equal(answer, Through(_exit, answer, _client));
        Assert.Null(Through(_client, PacketBuilder.Udp(_client.Ipv4, _exit.Ipv4, 5000, 54), _exit));
        _exit.PeerOf(_client).IsExitClient = false;
        Assert.Null(Through(_client, PacketBuilder.Udp(_client.Ipv4, _exit.Ipv4, 5001, 53), _exit));
    }

    [Theory]
    [InlineData("")]
    [InlineData("all to fleet\n")]
    [InlineData("all to public\n")]
    public void The_internet_gets_in_only_as_a_reply(string published)
    {
        // Published to the fleet, or to all of Diode, is not published to the internet behind an exit.
        UseExit(ExitFamilies.Ipv4);
        _client.Publish(published);
        byte[][] unasked =
        [
            PacketBuilder.Udp(Internet, _client.Ipv4, 443, 5001),
            PacketBuilder.Tcp(Internet, _client.Ipv4, 40000, 22, TcpFlags.Syn),
            PacketBuilder.Tcp(Internet, _client.Ipv4, 40000, 22, TcpFlags.Ack),
            PacketBuilder.Echo(Internet, _client.Ipv4),
            PacketBuilder.Echo(Internet, _client.Ipv4, reply: true),
            PacketBuilder.Icmp(Internet, _client.Ipv4, 3, 3, PacketBuilder.Udp(_client.Ipv4, Internet, 5001, 443)),
        ];
        foreach (byte[] packet in unasked)
        {
            Assert.Null(Through(_exit, packet, _client));
        }

        Assert.Equal(unasked.Length, _client.Pipeline.Drops(PipelineDrop.InForeignSource));
        byte[] syn = PacketBuilder.Tcp(_client.Ipv4, Internet, 40001, 443, TcpFlags.Syn);
        Assert.NotNull(Through(_client, syn, _exit));
        Assert.NotNull(Through(_exit, PacketBuilder.Tcp(Internet, _client.Ipv4, 443, 40001, TcpFlags.Syn | TcpFlags.Ack), _client));
        Assert.Null(Through(_exit, PacketBuilder.Tcp(Internet, _client.Ipv4, 443, 40001, TcpFlags.Syn), _client));
        Assert.NotNull(Through(_exit, PacketBuilder.Icmp(Internet, _client.Ipv4, 3, 4, syn), _client));
    }

    [Fact]
    public void Replies_come_through_the_exit_in_use_only()
    {
        using PipelineNode other = new(PipelineNode.MakeDevice(3), _time);
        PipelineNode.Connect(_client, other);
        UseExit(ExitFamilies.Ipv4);
        other.PeerOf(_client).IsExitClient = true;
        Assert.NotNull(Through(_client, PacketBuilder.Udp(_client.Ipv4, Internet, 5000, 443), _exit));
        byte[] reply = PacketBuilder.Udp(Internet, _client.Ipv4, 443, 5000);
        other.Send(reply);
        PipelineNode.Run(_client, other);
        Assert.False(_client.Adapter.TryTakeWritten(out _));
        Assert.Equal(1, _client.Pipeline.Drops(PipelineDrop.InForeignSource));
        Assert.NotNull(Through(_exit, reply, _client));

        // Another exit in use: the flow of the first does not let the second in, and the first is out.
        _client.UseExit(other, ExitFamilies.Ipv4);
        Assert.Null(Through(_exit, reply, _client));
        other.Send(reply);
        PipelineNode.Run(_client, other);
        Assert.False(_client.Adapter.TryTakeWritten(out _));
    }

    [Fact]
    public void The_exit_can_not_speak_as_another_member()
    {
        using PipelineNode other = new(PipelineNode.MakeDevice(3), _time);
        PipelineNode.Connect(_client, other);
        UseExit(ExitFamilies.Ipv4);
        _client.Publish("all to fleet\n");
        _exit.SendUnchecked(_client, PacketBuilder.Udp(other.Ipv4, _client.Ipv4, 1, 2));
        _exit.SendUnchecked(_client, PacketBuilder.Udp("100.64.1.1", _client.Ipv4, 1, 2));
        PipelineNode.Run(_client, _exit);
        Assert.False(_client.Adapter.TryTakeWritten(out _));
        Assert.Equal(2, _client.Pipeline.Drops(PipelineDrop.InForeignSource));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_an_exit_the_sender_is_told(bool ipv6)
    {
        (string me, string host) = ipv6 ? (_client.Ipv6, Internet6) : (_client.Ipv4, Internet);
        Assert.Null(Through(_client, PacketBuilder.Tcp(me, host, 40000, 443, TcpFlags.Syn), _exit));
        AssertRefused(ipv6);
    }

    [Theory]
    [InlineData(ExitFamilies.Ipv4, true)]
    [InlineData(ExitFamilies.Ipv6, false)]
    internal void A_family_that_the_exit_lacks_is_refused(ExitFamilies carried, bool ipv6)
    {
        UseExit(carried);
        (string me, string host) = ipv6 ? (_client.Ipv6, Internet6) : (_client.Ipv4, Internet);
        Assert.Null(Through(_client, PacketBuilder.Udp(me, host, 5000, 443), _exit));
        AssertRefused(ipv6);
    }

    [Fact]
    public void A_foreign_source_does_not_leave_through_the_exit()
    {
        UseExit(ExitFamilies.Ipv4);
        Assert.Null(Through(_client, PacketBuilder.Udp("192.168.1.7", Internet, 5000, 443), _exit));
        Assert.Equal(1, _client.Pipeline.Drops(PipelineDrop.OutForeignSource));
    }

    [Fact]
    public void A_client_with_another_pool_is_translated_at_the_exit()
    {
        Assert.True(AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool));
        using PipelineNode exit = new(PipelineNode.MakeDevice(4), _time, pool);
        PipelineNode.Connect(_client, exit);
        _client.UseExit(exit, ExitFamilies.Ipv4);
        exit.PeerOf(_client).IsExitClient = true;
        _client.Send(PacketBuilder.Udp(_client.Ipv4, Internet, 5000, 443));
        PipelineNode.Run(_client, exit);
        Assert.True(exit.Adapter.TryTakeWritten(out byte[]? request));
        Assert.Equal(exit.Ipv4Of(_client), PacketBuilder.Parse(request).Source.ToIPAddress().ToString());
        Assert.True(PacketBuilder.IsSound(request));
        exit.Send(PacketBuilder.Udp(Internet, exit.Ipv4Of(_client), 443, 5000));
        PipelineNode.Run(_client, exit);
        Assert.True(_client.Adapter.TryTakeWritten(out byte[]? reply));
        Assert.Equal(_client.Ipv4, PacketBuilder.Parse(reply).Destination.ToIPAddress().ToString());
        Assert.True(PacketBuilder.IsSound(reply));
    }

    public void Dispose()
    {
        _client.Dispose();
        _exit.Dispose();
    }

    private static byte[]? Take(PipelineNode node)
    {
        return node.Adapter.TryTakeWritten(out byte[]? packet) ? packet : null;
    }

    private void AssertRefused(bool ipv6)
    {
        Assert.Equal(1, _client.Pipeline.Drops(PipelineDrop.OutExitBlocked));
        byte[] answer = Take(_client)!;
        PacketPipelineTests.AssertUnreachable(answer, ipv6 ? VirtualAddresses.ResolverIpv6 : VirtualAddresses.ResolverIpv4);
    }

    private void UseExit(ExitFamilies families)
    {
        _client.UseExit(_exit, families);
        _exit.PeerOf(_client).IsExitClient = true;
    }

    private byte[]? Through(PipelineNode from, byte[] packet, PipelineNode to)
    {
        from.Send(packet);
        PipelineNode.Run(_client, _exit);
        return Take(to);
    }
}

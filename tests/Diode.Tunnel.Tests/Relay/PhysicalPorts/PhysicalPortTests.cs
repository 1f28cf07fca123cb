using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.PhysicalPorts;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.PhysicalPorts;

public sealed class PhysicalPortTests
{
    private const ushort Number = 0x85a1;

    [Theory]
    [InlineData("rw", false)]
    [InlineData("rwu", true)]
    [InlineData("", false)]
    [InlineData("nonsense", false)]
    public void Answers_at_once_asks_the_target_and_starts_when_it_agrees(string flags, bool isUdp)
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Connect();
        world.Sockets.Expect(Number);
        Assert.Equal("[response ok 0x85a1]", a.Ask("portopen2", b.Device.Address, new byte[] { 0, 80 }, flags, "more"));
        string shown = flags.Length == 0 ? "0x" : flags;
        Assert.Equal([$"[portopen2 0x0050 0x85a1 {a.Device.Address} {shown}]"], b.ReadTexts());
        FakePhysicalSocket socket = Assert.Single(world.Sockets.Bound);
        Assert.Equal(isUdp, socket.Port.IsUdp);
        Assert.False(socket.IsStarted);
        b.Send("response", (uint)Number, "ok");
        Assert.True(socket.IsStarted);

        // Once more changes nothing.
        b.Send("response", (uint)Number, "ok");
        b.Send("error", (uint)Number, "no");
        Assert.False(socket.IsClosed);
        Assert.Empty(b.ReadTexts());
    }

    [Fact]
    public void Errors_have_their_texts()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Connect();
        var absent = PrivateKey.Generate();
        Assert.Equal(
            $"[error No listener found for device address {absent.Address}]", a.Ask("portopen2", absent.Address, "80", "rw"));
        Assert.Equal("[error can't connect to yourself]", a.Ask("portopen2", a.Device.Address, "80", "rw"));
        Assert.Equal("[error invalid device id]", a.Ask("portopen2", new byte[19], "80", "rw"));
        Assert.Equal("[error invalid port]", a.Ask("portopen2", b.Device.Address, new byte[1025], "rw"));
        Assert.Equal("[error 0x0191 bad input]", a.Ask("portopen2", b.Device.Address, "80"));
        world.Sockets.IsExhausted = true;
        Assert.Equal("[error no free port]", a.Ask("portopen2", b.Device.Address, "80", "rw"));
        Assert.Equal(0, world.Core.PhysicalPorts.Count);
    }

    [Fact]
    public void A_refusal_closes_the_port_silently()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw", confirm: false);
        b.Send("error", (uint)socket.Number, "no");
        Assert.True(socket.IsClosed);
        Assert.Empty(a.ReadTexts());
        Assert.Empty(b.ReadTexts());
        Assert.Equal(0, world.Core.PhysicalPorts.Count);
    }

    [Fact]
    public void Only_the_target_may_agree()
    {
        (RelayWorld world, RelayPeer a, RelayPeer _, FakePhysicalSocket socket) = OpenPort("rw", confirm: false);
        RelayPeer stranger = world.Connect();
        stranger.Send("response", (uint)socket.Number, "ok");
        a.Send("response", (uint)socket.Number, "ok");
        stranger.Send("error", (uint)socket.Number, "no");
        Assert.False(socket.IsStarted);
        Assert.False(socket.IsClosed);
    }

    [Fact]
    public void Only_its_devices_may_close_it()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw");
        RelayPeer stranger = world.Connect();
        Assert.Equal("[response ok]", stranger.Ask("portclose2", (uint)socket.Number));
        Assert.False(socket.IsClosed);
        RelayPeer sameDevice = world.Connect(a.Device);
        Assert.Equal("[response ok]", sameDevice.Ask("portclose2", (uint)socket.Number));
        Assert.True(socket.IsClosed);
        Assert.Equal([$"[portclose2 0x{socket.Number:x4}]"], b.ReadTexts());
        Assert.Empty(a.ReadTexts());
        Assert.Equal("[response ok]", a.Ask("portclose2", (uint)socket.Number));
        Assert.Equal("[response ok]", a.Ask("portclose2", new byte[9]));
        Assert.Equal("[error 0x0191 bad input]", a.Ask("portclose2"));
    }

    [Fact]
    public void A_silent_target_loses_the_port_after_10_seconds()
    {
        (RelayWorld world, RelayPeer _, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw", confirm: false);
        world.Advance(TimeSpan.FromSeconds(9.5));
        Assert.False(socket.IsClosed);
        world.Advance(TimeSpan.FromSeconds(0.5));
        Assert.True(socket.IsClosed);
        b.Send("response", (uint)socket.Number, "ok");
        Assert.False(socket.IsStarted);
        Assert.Equal(0, b.Session.UnansweredPhysicalPorts);
    }

    [Theory]
    [InlineData("rw")]
    [InlineData("rwu")]
    public void Peers_have_35_seconds_each_to_come(string flags)
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket none) = OpenPort(flags);
        world.Sockets.Expect(50_000);
        a.Send("portopen2", b.Device.Address, "81", flags);
        b.Send("response", 50_000u, "ok");
        FakePhysicalSocket one = world.Sockets.Bound[1];
        PayFor(a, b);
        world.Advance(TimeSpan.FromSeconds(34));
        one.Port.OnFirstPeer(world.NowMs);
        world.Advance(TimeSpan.FromSeconds(1));
        Assert.True(none.IsClosed);
        world.Advance(TimeSpan.FromSeconds(33.5));
        Assert.False(one.IsClosed);
        world.Advance(TimeSpan.FromSeconds(0.5));
        Assert.True(one.IsClosed);
    }

    [Fact]
    public void Udp_ends_after_an_hour_without_traffic_and_tcp_does_not()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket udp) = OpenPort("rwu");
        world.Sockets.Expect(50_000);
        a.Send("portopen2", b.Device.Address, "81", "rw");
        b.Send("response", 50_000u, "ok");
        FakePhysicalSocket tcp = world.Sockets.Bound[1];
        PayFor(a, b);
        udp.Port.OnJoined(world.NowMs);
        tcp.Port.OnJoined(world.NowMs);
        world.Advance(TimeSpan.FromMinutes(59));
        udp.Port.OnCarried(1, world.NowMs);
        world.Advance(TimeSpan.FromMinutes(59));
        Assert.False(udp.IsClosed);
        world.Advance(TimeSpan.FromMinutes(1));
        Assert.True(udp.IsClosed);
        Assert.False(tcp.IsClosed);
    }

    [Fact]
    public void Every_byte_is_charged_to_both_devices()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rwu");
        long usageA = a.Session.Account.Usage;
        long usageB = b.Session.Account.Usage;
        socket.Port.OnCarried(1200, world.NowMs);
        socket.Port.OnCarried(34, world.NowMs);
        Assert.Equal(1234, a.Session.Account.Usage - usageA);
        Assert.Equal(1234, b.Session.Account.Usage - usageB);
    }

    [Fact]
    public void An_unpaid_device_is_cut_off_with_its_ports()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw");
        PayFor(a, b);
        socket.Port.OnJoined(world.NowMs);
        socket.Port.OnCarried(100_000_000, world.NowMs);
        world.Advance(TimeSpan.FromSeconds(21));
        Assert.Equal(CloseReason.NoTicket, a.Closed);
        a.Disconnect();
        Assert.True(socket.IsClosed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_port_ends_with_the_session_of_either(bool requesterLeaves)
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw");
        (requesterLeaves ? a : b).Disconnect();
        Assert.True(socket.IsClosed);
        Assert.Equal(0, world.Core.PhysicalPorts.Count);
        Assert.Equal(requesterLeaves ? [$"[portclose2 0x{socket.Number:x4}]"] : [], b.ReadTexts());
    }

    [Fact]
    public void Its_end_is_told_to_the_target_once()
    {
        (RelayWorld _, RelayPeer a, RelayPeer b, FakePhysicalSocket socket) = OpenPort("rw");
        socket.End();
        socket.End();
        Assert.Equal([$"[portclose2 0x{socket.Number:x4}]"], b.ReadTexts());
        Assert.Empty(a.ReadTexts());
        Assert.True(socket.IsClosed);
    }

    [Fact]
    public void The_end_of_an_old_port_does_not_touch_a_new_one_of_the_same_number()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket old) = OpenPort("rw");
        a.Send("portclose2", (uint)old.Number);
        world.Sockets.Expect(old.Number);
        a.Send("portopen2", b.Device.Address, "80", "rw");
        old.End();
        Assert.False(world.Sockets.Bound[1].IsClosed);
        Assert.Equal(1, world.Core.PhysicalPorts.Count);
    }

    [Fact]
    public void A_number_in_use_by_the_other_protocol_is_not_given_out_twice()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b, FakePhysicalSocket first) = OpenPort("rw");
        world.Sockets.Expect(first.Number);
        world.Sockets.Expect(50_000);
        Assert.Equal("[response ok 0xc350]", a.Ask("portopen2", b.Device.Address, "80", "rwu"));
        Assert.True(world.Sockets.Bound[1].IsClosed);
        Assert.False(first.IsClosed);
    }

    [Fact]
    public void A_device_may_have_so_many_and_no_more()
    {
        var world = new RelayWorld(new RelayLimits { MaxPhysicalPortsPerDevice = 3 });
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        RelayPeer again = world.Connect(a.Device);
        for (int i = 0; i < 3; i++)
        {
            Assert.StartsWith("[response ok", a.Ask("portopen2", b.Device.Address, "80", "rw"), StringComparison.Ordinal);
        }

        Assert.Equal("[error too many open ports]", a.Ask("portopen2", b.Device.Address, "80", "rw"));
        Assert.Equal("[error too many open ports]", again.Ask("portopen2", b.Device.Address, "80", "rw"));
        a.Send("portclose2", (uint)world.Sockets.Bound[0].Number);
        Assert.StartsWith("[response ok", a.Ask("portopen2", b.Device.Address, "80", "rw"), StringComparison.Ordinal);
        Assert.All(Enumerable.Range(0, 9), _ =>
            Assert.StartsWith("[response ok", world.Connect().Ask("portopen2", b.Device.Address, "80", "rw"), StringComparison.Ordinal));
        Assert.Equal("[error too many open ports]", world.Connect().Ask("portopen2", b.Device.Address, "80", "rw"));
    }

    [Fact]
    public void A_target_that_does_not_answer_is_not_asked_on()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Connect();
        for (int i = 0; i < 16; i++)
        {
            a.Send("portopen2", b.Device.Address, "80", "rw");
        }

        Assert.Equal("[error too many hanging ports]", a.Ask("portopen2", b.Device.Address, "80", "rw"));
        b.Send("response", (uint)world.Sockets.Bound[3].Number, "ok");
        Assert.StartsWith("[response ok", a.Ask("portopen2", b.Device.Address, "80", "rw"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_two_senders_are_the_pair()
    {
        var pair = new UdpPair();
        Assert.Equal(UdpRoute.Hold, pair.Route(1));
        Assert.Equal(UdpRoute.Hold, pair.Route(1));
        Assert.Equal(UdpRoute.Join, pair.Route(2));
        Assert.Equal(UdpRoute.ToSecond, pair.Route(1));
        Assert.Equal(UdpRoute.ToFirst, pair.Route(2));
        Assert.Equal(UdpRoute.Drop, pair.Route(3));
        Assert.Equal(UdpRoute.ToSecond, pair.Route(1));
    }

    private static (RelayWorld World, RelayPeer A, RelayPeer B) Connect()
    {
        var world = new RelayWorld();
        return (world, world.Connect(), world.Connect());
    }

    private static (RelayWorld World, RelayPeer A, RelayPeer B, FakePhysicalSocket Socket) OpenPort(
        string flags, bool confirm = true)
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Connect();
        Assert.StartsWith("[response ok ", a.Ask("portopen2", b.Device.Address, "80", flags), StringComparison.Ordinal);
        FakePhysicalSocket socket = Assert.Single(world.Sockets.Bound);
        if (confirm)
        {
            Assert.Equal(EdgeServerStatus.NeedInput, b.Feed(RelayPeer.Frame(1, "response", (uint)socket.Number, "ok")));
        }

        b.Read();
        return (world, a, b, socket);
    }

    private static void PayFor(params RelayPeer[] peers)
    {
        foreach (RelayPeer peer in peers)
        {
            Assert.StartsWith("[response thanks!", peer.AskTicket(1, 1_000_000), StringComparison.Ordinal);
            peer.Read();
        }
    }
}

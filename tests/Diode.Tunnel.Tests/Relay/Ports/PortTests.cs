using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Ports;

public sealed class PortTests
{
    private const uint Ref = 0x1234_5678;

    [Fact]
    public void Opens_confirms_carries_and_closes()
    {
        (RelayWorld _, RelayPeer a, RelayPeer b) = OpenPort("rw");
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, "hello"));
        Assert.Equal(["[portsend 0x12345678 hello]"], b.ReadTexts());
        Assert.Equal("[response ok]", b.Ask("portsend", Ref, "world"));
        Assert.Equal(["[portsend 0x12345678 world]"], a.ReadTexts());
        Assert.Equal("[response ok]", a.Ask("portclose", Ref));
        Assert.Equal(["[portclose 0x12345678]"], b.ReadTexts());
        Assert.Equal("[error port does not exist]", b.Ask("portsend", Ref, "late"));
        Assert.Equal("[error port does not exit]", b.Ask("portclose", Ref));
    }

    [Fact]
    public void A_newer_session_of_a_device_makes_sure_of_the_older_ones_which_ports_go_to()
    {
        var world = new RelayWorld();
        RelayPeer older = world.Connect();
        RelayPeer stranger = world.Connect();
        Assert.Equal((0, 0), (older.Checks, stranger.Checks));
        RelayPeer newer = world.Connect(older.Device);
        Assert.Equal((1, 0, 0), (older.Checks, stranger.Checks, newer.Checks));
    }

    [Fact]
    public void Foreign_refs_do_not_exist()
    {
        (RelayWorld world, RelayPeer _, RelayPeer _) = OpenPort("rw");
        RelayPeer stranger = world.Connect();
        Assert.Equal("[error port does not exist]", stranger.Ask("portsend", Ref, "x"));
        Assert.Equal("[error port does not exit]", stranger.Ask("portclose", Ref));
        Assert.Equal("[error port does not exist]", stranger.Ask("portsend", new byte[9], "x"));
    }

    [Theory]
    [InlineData("r", false, true)]
    [InlineData("w", true, false)]
    [InlineData("wr", true, true)]
    public void Flags_decide_who_is_heard(string flags, bool toTarget, bool toOpener)
    {
        (RelayWorld _, RelayPeer a, RelayPeer b) = OpenPort(flags);
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, "x"));
        Assert.Equal(toTarget ? 1 : 0, b.Read().Count);
        Assert.Equal("[response ok]", b.Ask("portsend", Ref, "y"));
        Assert.Equal(toOpener ? 1 : 0, a.Read().Count);
    }

    [Fact]
    public void Errors_have_their_texts()
    {
        var world = new RelayWorld();
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        Assert.Equal("[error can't connect to yourself]", a.Ask("portopen", a.Device.Address, "tls:1", "rw"));
        foreach (string flags in new[] { "x", "", "s", "rwu", "RW" })
        {
            Assert.Equal("[error invalid flags]", a.Ask("portopen", b.Device.Address, "tls:1", flags));
        }

        Assert.Equal("[error invalid device id]", a.Ask("portopen", new byte[19], "tls:1", "rw"));
        Assert.Equal("[error not found]", a.Ask("portopen", new byte[32], "tls:1", "rw"));
        Assert.Equal("[error not found]", a.Ask("portopen", new byte[20], "tls:1", "rwp"));
        Assert.Equal("[error invalid port]", a.Ask("portopen", b.Device.Address, new byte[3], "rw"));
        Assert.Equal("[error 0x0191 bad input]", a.Ask("portopen", b.Device.Address));
        Assert.Empty(b.Read());
    }

    [Fact]
    public void More_than_six_unanswered_opens_are_refused_until_they_time_out()
    {
        var world = new RelayWorld();
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        a.AskTicket(1, 1);
        b.AskTicket(1, 1);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal("", a.Ask("portopen", b.Device.Address, "tls:1", "rw"));
        }

        Assert.Equal("[error too many hanging ports]", a.Ask("portopen", b.Device.Address, "tls:1", "rw"));
        world.Advance(TimeSpan.FromSeconds(34.9));
        Assert.Empty(a.Read());
        world.Advance(TimeSpan.FromSeconds(0.3));
        Assert.Equal(Enumerable.Repeat("[error unknown]", 6), a.ReadTexts());
        Assert.Equal(0, world.Core.Ports.Count);
        Assert.Equal("", a.Ask("portopen", b.Device.Address, "tls:1", "rw"));
    }

    [Fact]
    public void A_target_that_leaves_fails_what_is_pending_and_closes_what_is_open()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = OpenPort("rw");
        a.Send("portopen", b.Device.Address, "tls:2", "rw");
        b.Disconnect();
        Assert.Equal(["[error unknown]", "[portclose 0x12345678]"], a.ReadTexts().Order());
        Assert.Equal(0, world.Core.Ports.Count);
    }

    [Fact]
    public void Denial_passes_the_reason_on_and_strays_are_ignored()
    {
        var world = new RelayWorld();
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        world.Expect(Ref);
        ulong id = a.Send("portopen", b.Device.Address, "tls:9", "rw");
        Assert.Equal(["[portopen tls:9 0x12345678 " + Hex(a) + "]"], b.ReadTexts());
        Assert.Equal("[error port does not exist]", b.Ask("portsend", Ref, "early"));
        Assert.Equal("[error port does not exit]", b.Ask("portclose", Ref));
        b.Send("error", Ref, "connection refused");
        b.Send("error", Ref, "again");
        b.Send("response", Ref, "ok");
        b.Send("response");
        Assert.Equal(["[error connection refused]"], a.ReadTexts());
        Assert.Empty(b.Read());
        Assert.Equal(1UL, id);
    }

    [Fact]
    public void Ports_go_to_the_oldest_session_of_a_device()
    {
        var world = new RelayWorld();
        RelayPeer a = world.Connect();
        RelayPeer first = world.Connect();
        RelayPeer second = world.Connect(first.Device);
        a.Send("portopen", first.Device.Address, "tls:1", "rw");
        Assert.Single(first.Read());
        Assert.Empty(second.Read());
        first.Disconnect();
        a.Send("portopen", first.Device.Address, "tls:1", "rw");
        Assert.Single(second.Read());
    }

    [Fact]
    public void Data_is_never_cut_and_what_no_longer_fits_is_refused()
    {
        (RelayWorld _, RelayPeer a, RelayPeer b) = OpenPort("rw");
        byte[] data = new byte[EdgeServerSession.MaxPortData];
        System.Security.Cryptography.RandomNumberGenerator.Fill(data);
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, data));
        Assert.Equal(data, Assert.Single(b.Read()).Items[1].Items[2].Bytes.ToArray());
        Assert.Equal("[error data too long]", a.Ask("portsend", Ref, new byte[data.Length + 1]));
        Assert.Empty(b.Read());
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, "goes on"));
    }

    [Fact]
    public void Data_that_deflating_makes_longer_arrives_in_pieces()
    {
        (RelayWorld _, RelayPeer a, RelayPeer b) = OpenPort("rw");
        b.Send("hello", 1001, "zlib");
        b.Read();
        byte[] data = new byte[EdgeServerSession.MaxPortData];
        System.Security.Cryptography.RandomNumberGenerator.Fill(data);
        long before = b.Session.Account.Usage;
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, data));
        List<Diode.Tunnel.Ethereum.Rlp.RlpItem> frames = b.Read();
        Assert.InRange(frames.Count, 1, 2);
        Assert.Equal(data, frames.SelectMany(frame => frame.Items[1].Items[2].Bytes.ToArray()));
        Assert.Equal(frames.Sum(frame => frame.Encode().Length), b.Session.Account.Usage - before);
    }

    [Fact]
    public void A_full_receiver_stops_the_sender_and_room_wakes_it()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = OpenPort(
            "rw", new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 100_000 } });
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, new byte[10_000]);
        EdgeServerStatus status = EdgeServerStatus.NeedInput;
        int sent = 0;
        for (; status == EdgeServerStatus.NeedInput; sent++)
        {
            status = a.Feed(frame);
        }

        Assert.Equal(EdgeServerStatus.Blocked, status);
        Assert.Equal(11, sent);
        Assert.InRange(b.Session.Edge.Output.Length, 100_000, 111_000);
        Assert.Equal(EdgeServerStatus.Blocked, a.Session.Edge.Process(world.NowMs));
        Assert.Equal(0, a.RoomSignals);
        b.Drain(20_000);
        Assert.Equal(0, a.RoomSignals);
        b.Drain(20_000);
        Assert.Equal(1, a.RoomSignals);
        Assert.Equal(EdgeServerStatus.NeedInput, a.Session.Edge.Process(world.NowMs));
        Assert.Equal(11, b.Read().Count(f => f.Items[1].Items.Count == 3));
    }

    [Fact]
    public void A_receiver_that_makes_others_wait_too_long_is_cut()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = OpenPort(
            "rw", new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 100_000 } });
        a.AskTicket(1, 1_000_000);
        b.AskTicket(1, 1_000_000);
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, new byte[10_000]);
        while (a.Feed(frame) == EdgeServerStatus.NeedInput)
        {
        }

        world.Advance(TimeSpan.FromSeconds(14));
        Assert.Equal(CloseReason.None, b.Closed);
        world.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(CloseReason.SlowReader, b.Closed);
        b.Disconnect();
        Assert.Equal(1, a.RoomSignals);
        Assert.Equal(EdgeServerStatus.NeedInput, a.Session.Edge.Process(world.NowMs));
        Assert.Contains("[portclose 0x12345678]", a.ReadTexts());
    }

    [Fact]
    public void A_peer_that_does_not_read_its_answers_is_not_read()
    {
        var world = new RelayWorld(new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 2000 } });
        RelayPeer a = world.Connect();
        byte[] ping = RelayPeer.Frame(9, "ping");
        int sent = 0;
        while (a.Feed(ping) == EdgeServerStatus.NeedInput)
        {
            sent++;
        }

        Assert.InRange(sent, 100, 110);
        a.Drain(1000);
        Assert.Equal(1, a.RoomSignals);
        Assert.Equal(EdgeServerStatus.NeedInput, a.Session.Edge.Process(world.NowMs));
    }

    [Fact]
    public void Datagrams_that_find_no_room_vanish_and_cost_nothing()
    {
        var limits = new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 10_000 } };
        (RelayWorld world, RelayPeer a, RelayPeer b) = OpenPort("rw", limits, "udp:41042");
        byte[] datagram = [100, 0, 0, 0, .. new byte[100]];
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, (byte[])[.. datagram, .. datagram]);
        for (int i = 0; i < 100; i++)
        {
            // The sender is never stopped.
            Assert.Equal(EdgeServerStatus.NeedInput, a.Feed(frame));
            a.Drain(int.MaxValue);
        }

        long used = b.Session.Account.Usage;
        Assert.InRange(b.Read().Count, 20, 25);
        KeyValuePair<string, long> refused = world.Core.Counters.Read().Single(c => c.Key == "port_datagram_frames_refused");
        Assert.InRange(refused.Value, 75, 80);
        Assert.InRange(used, 20 * 208, 25 * 280);
    }

    [Fact]
    public void A_port_whose_datagrams_are_cut_anywhere_loses_nothing()
    {
        var limits = new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 10_000 } };
        (_, RelayPeer a, RelayPeer b) = OpenPort("rw", limits, "udp:41042");
        Assert.Equal(EdgeServerStatus.NeedInput, a.Feed(RelayPeer.Frame(9, "portsend", Ref, (byte[])[200, 0, 0, 0, 1])));
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, new byte[199]);
        int sent = 1;
        while (a.Feed(frame) == EdgeServerStatus.NeedInput)
        {
            sent++;
            a.Drain(int.MaxValue);
        }

        Assert.InRange(sent, 20, 30);
        Assert.Equal(sent, b.Read().Count);
        Assert.Equal(1, a.RoomSignals);
        Assert.Equal(EdgeServerStatus.NeedInput, a.Session.Edge.Process(0));
        Assert.Single(b.Read());
    }

    [Theory]
    [InlineData("tls:22")]
    [InlineData("udp:41042")]
    public void Relaying_allocates_nothing(string name)
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = OpenPort("rw", null, name);
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, (byte[])[0x74, 5, 0, 0, .. new byte[1396]]);
        void Relay(int count)
        {
            for (int i = 0; i < count; i++)
            {
                a.Session.Edge.Receive(frame, world.NowMs);
                while (b.Session.Edge.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
                {
                    b.Session.Edge.Output.Advance(chunk.Length);
                }

                while (a.Session.Edge.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
                {
                    a.Session.Edge.Output.Advance(chunk.Length);
                }
            }
        }

        Relay(2000);
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            Relay(2000);
        }));
    }

    internal static (RelayWorld World, RelayPeer Opener, RelayPeer Target) OpenPort(
        string flags, RelayLimits? limits = null, string name = "tls:22")
    {
        var world = new RelayWorld(limits);
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        world.Expect(Ref);
        a.Send("portopen", b.Device.Address, name, flags);
        b.Read();
        b.Send("response", Ref, "ok");
        Assert.Equal(["[response ok 0x12345678]"], a.ReadTexts());
        return (world, a, b);
    }

    private static string Hex(RelayPeer peer)
    {
        return peer.Device.Address.ToString();
    }
}

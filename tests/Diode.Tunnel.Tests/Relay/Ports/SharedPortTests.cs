using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Ports;

public sealed class SharedPortTests
{
    private const uint Ref = 0x1234_5678;

    [Fact]
    public void Everybody_hears_the_target_and_the_target_hears_of_the_last_leaver_only()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open("rws");
        RelayPeer c = world.Connect();
        world.Expect(0x0222_2222);
        Assert.Equal("[response ok 0x02222222]", c.Ask("portopen", b.Device.Address, "tcp:7", "rws"));
        Assert.Empty(b.ReadTexts());
        b.Send("portsend", Ref, "to all");
        Assert.Equal(["[portsend 0x12345678 to all]"], a.ReadTexts());
        Assert.Equal("[portsend 0x02222222 to all]", Show(c.ReadTexts()));
        c.Send("portsend", 0x0222_2222u, "from c");
        Assert.Equal("[portsend 0x12345678 from c]", Show(b.ReadTexts()));
        Assert.Empty(a.ReadTexts());
        Assert.Equal("[response ok]", a.Ask("portclose", Ref));
        Assert.Empty(b.ReadTexts());
        c.Disconnect();
        Assert.Equal(["[portclose 0x12345678]"], b.ReadTexts());
        Assert.Equal("[error port does not exist]", b.Ask("portsend", Ref, "x"));
    }

    [Fact]
    public void Permissions_are_those_of_each_opener()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open("rs");
        RelayPeer c = world.Connect();
        world.Expect(0x0222_2222);
        c.Ask("portopen", b.Device.Address, "tcp:7", "ws");
        Assert.Equal("[response ok]", a.Ask("portsend", Ref, "not heard"));
        Assert.Equal("[response ok]", c.Ask("portsend", 0x0222_2222u, "heard"));
        Assert.Equal(["[portsend 0x12345678 heard]"], b.ReadTexts());
        b.Send("portsend", Ref, "answer");
        Assert.Equal(["[portsend 0x12345678 answer]"], a.ReadTexts());
        Assert.Empty(c.ReadTexts());
    }

    [Fact]
    public void Without_the_flag_or_before_the_answer_the_target_is_asked_again()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open("rws");
        RelayPeer c = world.Connect();
        c.Send("portopen", b.Device.Address, "tcp:7", "rw");
        c.Send("portopen", b.Device.Address, "tcp:8", "rws");
        a.Send("portopen", b.Device.Address, "tcp:8", "rws");
        Assert.Equal(3, b.ReadTexts().Count(text => text.StartsWith("[portopen tcp:", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_target_closes_for_all()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open("rws");
        RelayPeer c = world.Connect();
        world.Expect(0x0222_2222);
        c.Ask("portopen", b.Device.Address, "tcp:7", "rws");
        b.Disconnect();
        Assert.Equal(["[portclose 0x12345678]"], a.ReadTexts());
        Assert.Equal(["[portclose 0x02222222]"], c.ReadTexts());
        Assert.Equal(0, world.Core.Ports.Count);
    }

    [Fact]
    public void A_slow_sharer_holds_the_target_back_until_it_is_cut()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open(
            "rws", new RelayLimits { Session = new EdgeServerOptions { OutputLimit = 50_000 } });
        RelayPeer c = world.Connect();
        c.AskTicket(1, 1);
        a.AskTicket(1, 1);
        b.AskTicket(1, 1);
        c.Ask("portopen", b.Device.Address, "tcp:7", "rws");
        byte[] frame = RelayPeer.Frame(9, "portsend", Ref, new byte[10_000]);
        EdgeServerStatus status = EdgeServerStatus.NeedInput;
        for (int i = 0; i < 20 && status == EdgeServerStatus.NeedInput; i++)
        {
            status = b.Feed(frame);
            a.Drain(int.MaxValue);
        }

        Assert.Equal(EdgeServerStatus.Blocked, status);
        Assert.InRange(c.Session.Edge.Output.Length, 50_000, 61_000);
        world.Advance(TimeSpan.FromSeconds(16));
        Assert.Equal(CloseReason.SlowReader, c.Closed);
        Assert.Equal(CloseReason.None, a.Closed);
        c.Disconnect();
        Assert.Equal(EdgeServerStatus.NeedInput, b.Session.Edge.Process(world.NowMs));
    }

    [Fact]
    public void Traces_tell_the_opener_what_happens()
    {
        (RelayWorld world, RelayPeer a, RelayPeer b) = Open("rwt", out string[] texts);
        string trace = $"[trace 0x{world.NowMs:x12} {a.Device.Address}@127.0.0.1 received portopen for 0x12345678]";
        Assert.Equal(trace, texts[0]);
        Assert.Equal("[response ok 0x12345678]", texts[1]);
        b.Send("portsend", Ref, "x");
        Assert.Equal(
            [
                "[portsend 0x12345678 x]",
                $"[trace 0x{world.NowMs:x12} {b.Device.Address} recv portsend from 0x12345678]",
            ],
            a.ReadTexts());
        Assert.Equal("[response ok]", b.ReadTexts()[^1]);
    }

    private static string Show(string[] texts)
    {
        return Assert.Single(texts, text => text.StartsWith("[portsend", StringComparison.Ordinal));
    }

    private static (RelayWorld World, RelayPeer A, RelayPeer B) Open(
        string flags, RelayLimits? limits = null)
    {
        return Open(flags, out _, limits);
    }

    private static (RelayWorld World, RelayPeer A, RelayPeer B) Open(
        string flags, out string[] texts, RelayLimits? limits = null)
    {
        var world = new RelayWorld(limits);
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        world.Expect(Ref);
        a.Send("portopen", b.Device.Address, "tcp:7", flags);
        b.Send("response", Ref, "ok");
        b.ReadTexts();
        texts = a.ReadTexts();
        return (world, a, b);
    }
}

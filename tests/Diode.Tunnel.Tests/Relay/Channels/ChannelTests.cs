using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Channels;

public sealed class ChannelTests
{
    private static readonly Hash256 Block = Hash256.Sha256("block"u8);
    private static readonly Address Fleet = new(Enumerable.Repeat((byte)7, 20).ToArray());

    [Fact]
    public void Members_hear_each_other()
    {
        var world = new RelayWorld(chain: new OneBlock());
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        RelayPeer c = world.Connect();
        string created = Create(world, a, "room");
        Assert.StartsWith("[response [channel ", created, StringComparison.Ordinal);
        Assert.Equal(created, Create(world, b, "room"));
        byte[] key = ObjectKeys.ForChannel(Fleet, "broadcast", "room"u8).ToArray();
        Assert.Equal(created, a.Ask("getobject", key));
        world.Expect(0x1111_1111);
        world.Expect(0x0222_2222);
        world.Expect(0x0333_3333);
        Assert.Equal("[response ok 0x11111111]", a.Ask("portopen", key, "x", "rw"));
        Assert.Equal("[response ok 0x02222222]", b.Ask("portopen", key, "x", "r"));
        Assert.Equal("[response ok 0x03333333]", c.Ask("portopen", key, "y"));
        Assert.Equal("[response ok]", a.Ask("portsend", 0x1111_1111u, "hello"));
        Assert.Equal("[response ok]", b.Ask("portsend", 0x0222_2222u, "not heard"));
        Assert.Empty(a.ReadTexts());
        Assert.Equal("[response ok]", a.Ask("portclose", 0x1111_1111u));
        Assert.Equal(["[portsend 0x03333333 hello]"], c.ReadTexts());
        b.Disconnect();
        c.Disconnect();
        Assert.Equal(0, world.Core.Ports.Count);
        Assert.Equal(1, world.Core.Channels.Count);
        world.Advance(TimeSpan.FromHours(1));
        world.NowMs += 2 * 24 * 3600 * 1000L;
        world.Core.Tick(world.NowMs);
        Assert.Equal(0, world.Core.Channels.Count);
    }

    [Fact]
    public void Refusals_have_their_texts()
    {
        var world = new RelayWorld(chain: new OneBlock());
        RelayPeer a = world.Connect();
        RelayPeer b = world.Connect();
        object[] command = Command(world, a, "room");
        Assert.Equal("[error invalid channel signature]", b.Ask(command));
        Assert.Equal("[error invalid channel type]", Create(world, a, "room", type: "weird"));
        Assert.Equal("[error invalid channel parameters]", Create(world, a, "room", parameters: [0xc1, 0x70]));
        Assert.Equal("[error invalid channel signature]", Create(world, a, new string('x', 33)));
        command[2] = 4ul;
        Assert.Equal("[error block not found]", a.Ask(command));
        Assert.Equal("[error 0x0191 bad input]", a.Ask(command[..7]));
        Assert.Equal("[error not found]", a.Ask("portopen", new byte[32], "x", "rw"));
        Assert.Equal("[error invalid flags]", a.Ask("portopen", new byte[32], "x", "x"));
        Assert.Equal(0, world.Core.Channels.Count);
    }

    [Fact]
    public void Channels_of_a_device_are_limited_in_rate_and_number()
    {
        var world = new RelayWorld(chain: new OneBlock());
        RelayPeer a = world.Connect();
        a.AskTicket(1, 1);
        string[] answers = [.. Enumerable.Range(0, 40).Select(i => Create(world, a, "room" + i))];
        Assert.Equal(32, world.Core.Channels.Count);
        Assert.Equal(8, answers.Count(answer => answer == "[error too many channels]"));
        for (int i = 40; i < 100; i++)
        {
            world.Advance(TimeSpan.FromSeconds(1));
            Create(world, a, "room" + i);
        }

        Assert.Equal(64, world.Core.Channels.Count);
    }

    private static string Create(
        RelayWorld world, RelayPeer peer, string name, string type = "broadcast", byte[]? parameters = null)
    {
        return peer.Ask(Command(world, peer, name, type, parameters));
    }

    private static object[] Command(
        RelayWorld world, RelayPeer peer, string name, string type = "broadcast", byte[]? parameters = null)
    {
        ChannelDigest.TryCompute(
            world.Core.Address,
            Block,
            Fleet,
            System.Text.Encoding.ASCII.GetBytes(type),
            System.Text.Encoding.ASCII.GetBytes(name),
            parameters ?? [0xc0],
            out Hash256 digest);
        object[] items = parameters is null ? [] : ["p"];
        return ["channel", 1284ul, 3ul, Fleet, type, name, items, peer.Device.SignHash(digest).ToArray()];
    }

    private sealed class OneBlock : IChainClock
    {
        public bool IsKnown(ulong chainId)
        {
            return true;
        }

        public ulong GetEpoch(ulong chainId, long unixTimeMs)
        {
            return RelayWorld.Epoch;
        }

        public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
        {
            hash = Block;
            return blockNumber == 3;
        }
    }
}

using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>Five relays in virtual time.</summary>
public sealed class FederationTests(ITestOutputHelper output)
{
    private const int Objects = 30;

    [Theory]
    [InlineData(0)]
    [InlineData(null)]
    public void Find_each_other_and_keep_one_link_per_pair(int? seed)
    {
        using var world = new FederationWorld(5, seed);
        world.Advance(12_000);
        AssertMesh(world);
    }

    [Fact]
    public void Two_that_dial_each_other_at_once_end_with_one_link()
    {
        using var world = new FederationWorld(2, seed: null);
        world.Advance(1000);
        Assert.Equal(2, world.CountPipes(world.Nodes[0], world.Nodes[1]));
        Assert.Single(world.Nodes[0].Core.GetLinks());
        world.Advance(4000);
        AssertMesh(world);
        string before = world.Events.ToString();
        world.Advance(600_000);
        Assert.Equal(before, world.Events.ToString());
    }

    [Fact]
    public void What_one_publishes_all_can_find_also_when_one_is_lost_and_returns()
    {
        using var world = new FederationWorld(5);
        world.Advance(12_000);
        List<DhtObject> objects = Publish(world, 0, Objects);
        world.Advance(3000);
        AssertFound(world, objects);
        foreach (DhtObject value in objects)
        {
            Assert.InRange(world.Nodes.Count(node => node.Store.TryGet(value.Key, world.NowMs, out _)), 3, 5);
        }

        world.Nodes[1].Kill();
        world.Advance(1000);
        AssertFound(world, objects);
        objects.AddRange(Publish(world, Objects, 5));
        world.Advance(5000);
        world.Nodes[1].Start();
        Assert.Equal(0, world.Nodes[1].Store.Count);
        world.Advance(20_000);
        AssertMesh(world);
        AssertFound(world, objects);

        // When it has lasted, it is given its part unasked.
        int before = world.Nodes[1].Store.Count;
        world.Nodes[1].Kill();
        world.Advance(2000);
        world.Nodes[1].Start();
        world.Advance(700_000);
        output.WriteLine($"{before} objects after lookups, {world.Nodes[1].Store.Count} by itself");
        Assert.True(world.Nodes[1].Store.Count > 5);
    }

    [Fact]
    public void The_loss_of_the_seed_hurts_nobody_who_knows_the_others()
    {
        using var world = new FederationWorld(5);
        world.Advance(12_000);
        List<DhtObject> objects = Publish(world, 0, 10);
        world.Advance(2000);
        world.Nodes[0].Kill();
        world.Advance(60_000);
        AssertFound(world, objects);
        world.Nodes[3].Kill();
        world.Advance(1000);
        world.Nodes[3].Start();
        world.Advance(30_000);
        world.Nodes[0].Start();
        world.Advance(60_000);
        AssertMesh(world);
        AssertFound(world, objects);
    }

    [Fact]
    public void A_member_lost_for_good_leaves_its_objects_to_others()
    {
        using var world = new FederationWorld(5);
        world.Advance(12_000);
        List<DhtObject> objects = Publish(world, 0, Objects);
        world.Advance(2000);
        world.Nodes[4].Kill();
        world.Advance(25 * 60_000);
        foreach (DhtObject value in objects)
        {
            Assert.InRange(
                world.Nodes.Count(node => node.IsUp && node.Store.TryGet(value.Key, world.NowMs, out _)), 2, 4);
        }
    }

    [Fact]
    public void Churn_loses_nothing_and_goes_the_same_way_every_time()
    {
        string first = Churn();
        Assert.Equal(first, Churn());
    }

    private string Churn()
    {
        using var world = new FederationWorld(5);
        world.Advance(10_000);
        List<DhtObject> objects = [];
        for (int round = 0; round < 20; round++)
        {
            // One at a time is away, so two of three copies are always there.
            FederationWorld.Node victim = world.Nodes[(round * 3) % 5];
            victim.Kill();
            objects.AddRange(Publish(world, round, 1));
            world.Advance(7_000);
            victim.Start(keepsTable: true);
            objects.AddRange(Publish(world, 100 + round, 1));
            world.Advance(23_000);
        }

        world.Advance(60_000);
        AssertMesh(world);
        AssertFound(world, objects);
        Assert.All(world.Nodes, node => Assert.Equal(0, node.Network.UnreplicatedCount));
        output.WriteLine($"{world.Events.ToString().Split('\n').Length} events");
        return world.Events.ToString();
    }

    private static List<DhtObject> Publish(FederationWorld world, int from, int count)
    {
        List<DhtObject> objects = [];
        for (int i = from; i < from + count; i++)
        {
            FederationWorld.Node[] up = [.. world.Nodes.Where(node => node.IsUp)];
            FederationWorld.Node relay = up[i % up.Length];
            using PrivateKey device = FederationWorld.MakeKey(1000 + i);
            DhtObject ticket = PeerWorld.MakeTicket(device, relay.Key, 77);
            relay.Network.Publish(ticket, world.NowMs);
            objects.Add(ticket);
        }

        return objects;
    }

    private static void AssertFound(FederationWorld world, List<DhtObject> objects)
    {
        foreach (FederationWorld.Node node in world.Nodes.Where(node => node.IsUp))
        {
            foreach (DhtObject value in objects)
            {
                Assert.True(world.Find(node, value.Key) is not null, $"{value.Owner} is not found at {node}");
            }
        }
    }

    private static void AssertMesh(FederationWorld world)
    {
        foreach (FederationWorld.Node left in world.Nodes)
        {
            Assert.Equal(world.Nodes.Length - 1, left.Core.GetLinks().Count(link => link.IsUsable));
            foreach (FederationWorld.Node right in world.Nodes.Where(node => node.Index > left.Index))
            {
                Assert.Equal(1, world.CountPipes(left, right));
                Address[] peers = [.. left.Core.GetLinks().Select(link => link.Peer)];
                Assert.Contains(right.Key.Address, peers);
            }
        }
    }
}

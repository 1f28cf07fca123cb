using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.WireGuardExit;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.WireGuardExit;

/// <summary>The exit in virtual time, with real WireGuard clients in memory.</summary>
public sealed class ExitCoreTests
{
    private const string Web = "203.0.113.80";

    [Fact]
    public void Carries_packets_of_a_device_and_charges_every_byte()
    {
        using var world = new ExitWorld();
        RelayPeer device = Paying(world);
        using ExitWorldClient client = world.Open(device.Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(ExitWorld.Packet(client.Address, Web), Assert.Single(world.Internet));
        ToClient(world, ExitWorld.Packet(Web, client.Address, 300));
        client.Poll();
        Assert.Equal(ExitWorld.Packet(Web, client.Address, 300), Assert.Single(client.Received));

        long before = device.Session.Account.Usage;
        world.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(client.TotalBytes, device.Session.Account.Usage - before);
        world.Core.Close(device.Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Single(world.Internet);
        Assert.Equal(0, world.Core.ClientCount);
    }

    [Theory]
    [InlineData("10.1.2.3")]
    [InlineData("192.168.1.1")]
    [InlineData("172.16.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("168.63.129.16")]
    [InlineData("100.64.0.1")]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.251")]
    [InlineData("255.255.255.255")]
    [InlineData("0.0.0.0")]
    [InlineData("198.51.100.99")]
    public void Refuses_what_is_not_the_internet(string destination)
    {
        using var world = new ExitWorld();
        world.Core.SetOwnAddresses([System.Net.IPAddress.Parse("198.51.100.99")]);
        using ExitWorldClient client = world.Open(Paying(world).Device.Address);
        client.Send(ExitWorld.Packet(client.Address, destination));
        client.Send(ExitWorld.Packet(client.Address, destination));
        Assert.Empty(world.Internet);
        Assert.Equal(2, world.Relay.Core.Counters.Read().Single(c => c.Key == "wireguard_denied").Value);
        bool answered = destination is not ("224.0.0.251" or "255.255.255.255");
        Assert.Equal(answered ? 2 : 0, client.Received.Count);
        if (answered)
        {
            // ICMP, unreachable, administratively prohibited.
            Assert.Equal([1, 3, 13], [client.Received[0][9], client.Received[0][20], client.Received[0][21]]);
        }
    }

    [Fact]
    public void Clients_reach_neither_each_other_nor_take_each_others_address()
    {
        using var world = new ExitWorld();
        using ExitWorldClient first = world.Open(Paying(world).Device.Address);
        using ExitWorldClient second = world.Open(Paying(world).Device.Address);
        first.Send(ExitWorld.Packet(first.Address, Web));
        second.Send(ExitWorld.Packet(second.Address, Web));
        world.Internet.Clear();
        first.Send(ExitWorld.Packet(first.Address, second.Address));
        first.Send(ExitWorld.Packet(second.Address, Web));
        second.Poll();
        Assert.Empty(world.Internet);
        Assert.Empty(second.Received);
    }

    [Fact]
    public void Three_hundred_devices_have_three_hundred_addresses()
    {
        using var world = new ExitWorld();
        HashSet<string> addresses = [];
        for (int i = 0; i < 300; i++)
        {
            WireGuardSessionInfo? session = world.Core.Open(Device(), RandomNumberGenerator.GetBytes(32), out _);
            Assert.EndsWith("/32", session!.ClientAddress, StringComparison.Ordinal);
            Assert.True(addresses.Add(session.ClientAddress));
        }

        Assert.Equal(253, addresses.Count(static address => address.StartsWith("10.0.0.", StringComparison.Ordinal)));
        Assert.Equal(300, world.Core.ClientCount);
    }

    [Fact]
    public void A_full_pool_refuses_and_keeps_who_is_in()
    {
        using var world = new ExitWorld(pool: "10.9.8.0/24");
        Address first = Device();
        byte[] key = RandomNumberGenerator.GetBytes(32);
        WireGuardSessionInfo? session = world.Core.Open(first, key, out _);
        for (int i = 0; i < 252; i++)
        {
            Assert.NotNull(world.Core.Open(Device(), RandomNumberGenerator.GetBytes(32), out _));
        }

        Assert.Null(world.Core.Open(Device(), RandomNumberGenerator.GetBytes(32), out WireGuardOpenError error));
        Assert.Equal(("wireguard error", 500ul), (error.Text(), error.Code()));
        Assert.Equal(session, world.Core.Open(first, key, out _));
        Assert.Equal(session!.ClientAddress, world.Core.Open(first, RandomNumberGenerator.GetBytes(32), out _)!.ClientAddress);
        world.Core.Close(first);
        Assert.NotNull(world.Core.Open(Device(), RandomNumberGenerator.GetBytes(32), out _));
    }

    [Fact]
    public void The_same_key_gets_the_same_address_again_and_belongs_to_one_device()
    {
        using var world = new ExitWorld();
        Address device = Device();
        byte[] key = RandomNumberGenerator.GetBytes(32);
        string address = world.Core.Open(device, key, out _)!.ClientAddress;
        Assert.Null(world.Core.Open(Device(), key, out WireGuardOpenError error));
        Assert.Equal(WireGuardOpenError.InvalidKey, error);
        world.Core.Close(device);
        Assert.Equal(address, world.Core.Open(device, key, out _)!.ClientAddress);
        Assert.Null(world.Core.Open(Device(), new byte[32], out error));
        Assert.Equal(WireGuardOpenError.InvalidKey, error);
    }

    [Fact]
    public void A_new_key_replaces_the_old_one()
    {
        using var world = new ExitWorld();
        RelayPeer device = Paying(world);
        using ExitWorldClient old = world.Open(device.Device.Address);
        old.Send(ExitWorld.Packet(old.Address, Web));
        using ExitWorldClient client = world.Open(device.Device.Address);
        Assert.Equal(old.Session.ClientAddress, client.Session.ClientAddress);
        old.Send(ExitWorld.Packet(old.Address, Web));
        Assert.Single(world.Internet);
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);
        Assert.Equal(1, world.Core.ClientCount);
    }

    [Fact]
    public void Who_does_not_pay_is_asked_then_suspended_then_removed_and_paying_helps()
    {
        using var world = new ExitWorld();
        RelayPeer device = Paying(world);
        using ExitWorldClient client = world.Open(device.Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        device.ReadTexts();
        device.Session.Account.Add((int)AccountingRules.RequestThreshold + 10_000);
        world.Advance(TimeSpan.FromSeconds(15));
        Assert.Contains(device.ReadTexts(), static text => text.Contains("ticket_request", StringComparison.Ordinal));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);
        world.Advance(TimeSpan.FromSeconds(10));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);

        device.AskTicket(2, (ulong)device.Session.Account.Usage + 1000);
        world.Advance(TimeSpan.FromSeconds(2));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(3, world.Internet.Count);

        device.Session.Account.Add((int)AccountingRules.GraceBytes);
        world.Advance(TimeSpan.FromSeconds(21));
        Assert.Equal(1, world.Core.ClientCount);
        world.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(0, world.Core.ClientCount);
    }

    [Fact]
    public void Without_any_ticket_it_ends_after_twenty_seconds()
    {
        using var world = new ExitWorld();
        RelayPeer device = world.Relay.Connect();
        using ExitWorldClient client = world.Open(device.Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        device.Disconnect();
        world.Advance(TimeSpan.FromSeconds(21));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Single(world.Internet);
        world.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(0, world.Core.ClientCount);
    }

    [Fact]
    public void A_device_that_is_gone_ends_at_its_grace_and_its_session_after_an_hour()
    {
        using var world = new ExitWorld();
        RelayPeer device = Paying(world);
        using ExitWorldClient client = world.Open(device.Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        device.Disconnect();
        world.Advance(TimeSpan.FromMinutes(5));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);
        device.Session.Account.Add((int)AccountingRules.GraceBytes + 10_000);
        world.Advance(TimeSpan.FromSeconds(2));
        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);

        RelayPeer second = Paying(world);
        using ExitWorldClient quiet = world.Open(second.Device.Address);
        quiet.Send(ExitWorld.Packet(quiet.Address, Web));
        second.Disconnect();
        using ExitWorldClient never = world.Open(Paying(world).Device.Address);
        world.Advance(TimeSpan.FromMinutes(55));
        Assert.Equal(2, world.Core.ClientCount);
        world.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(1, world.Core.ClientCount);
        world.Advance(TimeSpan.FromHours(25));
        Assert.Equal(0, world.Core.ClientCount);
    }

    [Fact]
    public void A_restart_keeps_key_clients_and_addresses()
    {
        byte[]? file;
        byte[] key;
        byte[] clientKey = RandomNumberGenerator.GetBytes(32);
        Address device = Device();
        WireGuardSessionInfo before;
        string publicKeyOfClient;
        using (var world = new ExitWorld())
        {
            key = world.Key;
            using var client = new ExitWorldClient(world, device, clientKey);
            before = client.Session;
            publicKeyOfClient = Convert.ToBase64String(client.PublicKey);
            file = world.Core.TakeChanges();
            Assert.Null(world.Core.TakeChanges());
        }

        Assert.True(ExitClientFile.TryRead(file!, out System.Net.IPNetwork pool, out List<ExitClientRecord> records));
        Assert.Equal("10.0.0.0/16", pool.ToString());
        Assert.Equal(publicKeyOfClient, Assert.Single(records).Key.ToString());
        using (var world = new ExitWorld(key: key))
        {
            Assert.Equal(1, world.Core.Restore([.. records, .. records]));
            using var client = new ExitWorldClient(world, device, clientKey);
            Assert.Equal(before, client.Session);
            client.Send(ExitWorld.Packet(client.Address, Web));
            Assert.Single(world.Internet);
        }
    }

    [Fact]
    public void Damaged_client_files_are_refused_or_read_without_nonsense()
    {
        byte[] good = ExitClientFile.Write(System.Net.IPNetwork.Parse("10.0.0.0/16"), [.. Enumerable.Range(0, 3).Select(static i =>
            new ExitClientRecord(Device(), new Diode.Tunnel.WireGuard.TunnelPublicKey(RandomNumberGenerator.GetBytes(32)), 0x0a000002u + (uint)i, true, false))]);
        var mutator = new InputMutator(5, good);
        for (int i = 0; i < 20_000; i++)
        {
            ExitClientFile.TryRead(mutator.Next().ToArray(), out _, out List<ExitClientRecord> clients);
            Assert.InRange(clients.Count, 0, 4);
        }
    }

    [Fact]
    public void Edge_commands_answer_as_real_relays_do()
    {
        using var world = new ExitWorld();
        RelayPeer device = Paying(world);
        byte[] key = RandomNumberGenerator.GetBytes(32);
        string reply = device.Ask("wireguard", "open", key);
        string json = reply["[response ".Length..^1];
        Assert.Matches(
            """^\{"server_public_key":"[A-Za-z0-9+/]{43}=","endpoint_host":"relay.example","listen_port":51820,"client_address":"10\.0\.0\.\d+/32"\}$""",
            json);
        Assert.Equal("[error 0x0191 bad input]", device.Ask("wireguard", "open", new byte[31]));
        Assert.Equal("[error 0x0190 invalid public key]", device.Ask("wireguard", "open", new byte[32]));
        Assert.Equal("[response ok]", device.Ask("wireguard", "close"));
        Assert.Equal("[response ok]", device.Ask("wireguard", "close"));
        Assert.EndsWith(" wg_exit]", device.Ask("version"), StringComparison.Ordinal);
        Assert.Contains("wg_exit", Encoding.ASCII.GetString(world.Relay.Core.GetServerObject(world.Relay.NowMs)), StringComparison.Ordinal);
    }

    [Fact]
    public void Rate_and_opens_of_a_client_are_bounded()
    {
        using var world = new ExitWorld(new WireGuardExitOptions { ClientMegabits = 1 });
        Address device = Paying(world).Device.Address;
        using ExitWorldClient client = world.Open(device);
        for (int i = 0; i < 200; i++)
        {
            client.Send(ExitWorld.Packet(client.Address, Web, 980));
        }

        // A quarter of a second of 125,000 bytes.
        Assert.InRange(world.Internet.Count, 30, 32);
        world.Advance(TimeSpan.FromSeconds(1));
        client.Send(ExitWorld.Packet(client.Address, Web, 980));
        Assert.InRange(world.Internet.Count, 31, 33);
        int opened = Enumerable.Range(0, 100).Count(_ => world.Core.Open(device, RandomNumberGenerator.GetBytes(32), out WireGuardOpenError _) is not null);
        Assert.InRange(opened, 10, 20);
    }

    [Fact]
    public void Carrying_allocates_nothing_and_bad_datagrams_do_no_harm()
    {
        using var world = new ExitWorld(new WireGuardExitOptions { ClientMegabits = 0 });
        using ExitWorldClient client = world.Open(Paying(world).Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        byte[] packet = ExitWorld.Packet(Web, client.Address, 1000);
        world.Sink = true;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                world.Send(packet);
            }
        }));
        world.Sink = false;
        ToClient(world, packet);
        byte[] good = world.Datagrams[client.Remote.Port][^1];
        var mutator = new InputMutator(9, good, new byte[148], [4, 0, 0, 0, 1, 2, 3, 4]);
        for (int i = 0; i < 100_000; i++)
        {
            world.Receive(mutator.Next(), client.Remote);
        }

        client.Send(ExitWorld.Packet(client.Address, Web));
        Assert.Equal(2, world.Internet.Count);
    }

    [Fact]
    public void Many_packets_in_one_leave_as_a_train_and_a_train_arrives_as_many_packets()
    {
        using var world = new ExitWorld(new WireGuardExitOptions { ClientMegabits = 0 });
        using ExitWorldClient client = world.Open(Paying(world).Device.Address);
        client.Send(ExitWorld.Packet(client.Address, Web));
        world.Trains.Clear();

        // UDP: 8 bytes of header, ten payloads of 100 bytes and one of 7.
        byte[] super = ExitWorld.Packet(Web, client.Address, 8 + 1007);
        world.Send(super, new SegmentLayout(SegmentKind.Udp, 20, 28, 100));
        Assert.Single(world.Trains);
        Assert.NotEqual(0, world.Trains[0]);
        List<byte[]> sent = world.Datagrams[client.Remote.Port];
        Assert.Equal(11, sent.Count);
        client.Poll();
        Assert.Equal([.. Enumerable.Repeat(128, 10), 35], client.Received.Select(packet => packet.Length));

        world.Internet.Clear();
        world.Receive(client.Seal(ExitWorld.Packet(client.Address, Web), 5, out int stride), client.Remote, stride);
        Assert.Equal(5, world.Internet.Count);
    }

    private static RelayPeer Paying(ExitWorld world)
    {
        RelayPeer device = world.Relay.Connect();
        device.Ask("hello", 1002);
        device.AskTicket(1, 1000);
        return device;
    }

    private static Address Device() => new(RandomNumberGenerator.GetBytes(20));

    private static void ToClient(ExitWorld world, byte[] packet)
    {
        world.Send(packet);
    }
}

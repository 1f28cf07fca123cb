using System.Text.RegularExpressions;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Turn;

/// <summary>TURN in virtual time.</summary>
public sealed partial class TurnServerTests
{
    private const string Peer = "203.0.113.50";
    private static readonly TurnPeer PeerAddress = new(0xcb007132, 5000);

    [Fact]
    public void Credential_has_the_form_of_real_relays_and_stays_the_same()
    {
        var world = new TurnWorld();
        RelayPeer device = world.Device(out TurnCredential credential);
        string reply = device.Ask("turnopen");
        Assert.Matches(CredentialJson(), reply["[response ".Length..^1]);
        Assert.Contains(credential.Username, reply, StringComparison.Ordinal);
        Assert.EndsWith(" turn]", device.Ask("version"), StringComparison.Ordinal);
        world.Advance(TimeSpan.FromHours(1));
        TurnCredential later = world.Server.OpenCredential(device.Device.Address)!;
        Assert.Equal((credential.Username, credential.Credential, credential.ExpiresAt), (later.Username, later.Credential, later.ExpiresAt));
        Assert.InRange(later.TtlSeconds, 86_400 - 3602, 86_400 - 3598);
        world.Advance(TimeSpan.FromHours(23.1));
        Assert.NotEqual(credential.Username, world.Server.OpenCredential(device.Device.Address)!.Username);
        Assert.DoesNotContain(credential.Credential, credential.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Data_goes_both_ways_by_indication_and_channel_and_is_charged()
    {
        var world = new TurnWorld();
        RelayPeer device = world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        Assert.Equal(0, client.Allocate());
        FakeRelay relay = Assert.Single(world.Relays);
        Assert.Equal(0, client.Permit(Peer));
        long before = device.Session.Account.Usage;
        client.SendTo(Peer, 5000, [1, 2, 3]);
        (TurnPeer to, byte[] sent) = Assert.Single(relay.Sent);
        Assert.Equal(PeerAddress, to);
        Assert.Equal([1, 2, 3], sent);
        relay.Receive(PeerAddress, [4, 5, 6, 7, 8]);
        Assert.True(StunMessage.TryRead(client.Take(), out StunMessage indication));
        Assert.Equal((StunMethod.Data, StunClass.Indication), (indication.Method, indication.Class));
        Assert.True(indication.TryFind(StunAttribute.Data, out ReadOnlySpan<byte> data));
        Assert.Equal([4, 5, 6, 7, 8], data.ToArray());
        Assert.True(indication.TryFind(StunAttribute.XorPeerAddress, out ReadOnlySpan<byte> from));
        Assert.True(StunMessage.TryReadXorIpv4(from, out TurnPeer peer));
        Assert.Equal(PeerAddress, peer);

        // Send indication: header 20, address 12, data 8. From the peer: 5.
        Assert.Equal(40 + 5, device.Session.Account.Usage - before);

        Assert.Equal(0, client.Bind(0x4001, Peer, 5000));
        client.SendChannel(0x4001, [9, 9]);
        Assert.Equal(PeerAddress, relay.Sent[^1].Peer);
        Assert.Equal([9, 9], relay.Sent[^1].Data);
        relay.Receive(PeerAddress, [7]);
        Assert.Equal([0x40, 0x01, 0, 1, 7], client.Take());
    }

    [Fact]
    public void Refuses_wrong_passwords_expired_credentials_and_old_nonces()
    {
        var world = new TurnWorld();
        world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        Assert.Equal(401, client.Ask(StunMethod.Allocate, static w => w.Add(StunAttribute.RequestedTransport, [17, 0, 0, 0]), password: "wrong"));
        Assert.Equal(401, new TurnClient(world, credential with { Username = "d0000000000000000" }).Allocate());
        Assert.Equal(0, client.Allocate());
        world.Advance(TimeSpan.FromMinutes(11));

        // Stale by now; Ask takes the new one.
        Assert.Equal(437, client.Permit(Peer));
        Assert.Equal(0, client.Allocate());
        world.Advance(TimeSpan.FromHours(25));
        Assert.Equal(0, world.Server.AllocationCount);
        Assert.Equal(401, client.Allocate());
    }

    [Fact]
    public void Peers_need_permission_and_public_addresses()
    {
        var world = new TurnWorld();
        world.Server.SetOwnAddresses([System.Net.IPAddress.Parse("198.51.100.77")]);
        world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        client.Allocate();
        FakeRelay relay = world.Relays[0];
        client.SendTo(Peer, 5000, [1]);
        Assert.Empty(relay.Sent);
        world.ToClients.Clear();
        relay.Receive(PeerAddress, [1]);
        Assert.Empty(world.ToClients);
        foreach (string refused in new[] { "10.0.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "198.51.100.77" })
        {
            Assert.Equal(403, client.Permit(refused));
            Assert.Equal(403, client.Bind(0x4000, refused, 1));
        }

        Assert.Equal(0, client.Permit(Peer));
        world.Advance(TimeSpan.FromSeconds(301));
        client.SendTo(Peer, 5000, [1]);
        Assert.Empty(relay.Sent);
    }

    [Fact]
    public void Two_clients_meet_at_their_relayed_addresses_but_reach_nothing_else_here()
    {
        var world = new TurnWorld();
        world.Device(out TurnCredential one);
        world.Device(out TurnCredential two);
        var first = new TurnClient(world, one);
        var second = new TurnClient(world, two);
        first.Allocate();
        second.Allocate();
        Assert.Equal(0, first.Permit(TurnWorld.External));
        first.SendTo(TurnWorld.External, world.Relays[1].Port, [1]);
        first.SendTo(TurnWorld.External, 22, [1]);
        first.SendTo(TurnWorld.External, 41046, [1]);
        Assert.Equal(world.Relays[1].Port, Assert.Single(world.Relays[0].Sent).Peer.Port);
    }

    [Fact]
    public void Refresh_prolongs_and_ends()
    {
        var world = new TurnWorld();
        world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        Assert.Equal(437, client.Ask(StunMethod.Refresh));
        client.Allocate();
        world.Advance(TimeSpan.FromSeconds(500));
        Assert.Equal(0, client.Ask(StunMethod.Refresh, static w => w.Add(StunAttribute.Lifetime, TurnClient.Number(600))));
        world.Advance(TimeSpan.FromSeconds(500));
        Assert.Equal(1, world.Server.AllocationCount);
        world.Advance(TimeSpan.FromSeconds(120));
        Assert.Equal(0, world.Server.AllocationCount);
        Assert.True(world.Relays[0].IsClosed);
        client.Allocate(lifetime: 100_000);
        world.Advance(TimeSpan.FromSeconds(3595));
        Assert.Equal(1, world.Server.AllocationCount);
        Assert.Equal(0, client.Ask(StunMethod.Refresh, static w => w.Add(StunAttribute.Lifetime, TurnClient.Number(0))));
        Assert.Equal(0, world.Server.AllocationCount);
    }

    [Fact]
    public void Requests_are_judged_as_the_standard_says()
    {
        var world = new TurnWorld(new TurnOptions { MaxAllocationsPerDevice = 2 });
        world.Device(out TurnCredential credential);
        world.Device(out TurnCredential other);
        var client = new TurnClient(world, credential);
        Assert.Equal(400, client.Ask(StunMethod.Allocate));
        Assert.Equal(442, client.Ask(StunMethod.Allocate, static w => w.Add(StunAttribute.RequestedTransport, [6, 0, 0, 0])));
        Assert.Equal(420, client.Ask(StunMethod.Allocate, static w => w.Add(0x001a, [])));
        Assert.Equal(440, client.Ask(StunMethod.Allocate, static w =>
        {
            w.Add(StunAttribute.RequestedTransport, [17, 0, 0, 0]);
            w.Add(StunAttribute.RequestedAddressFamily, [2, 0, 0, 0]);
        }));
        Assert.Equal(0, client.Allocate());

        // A repeated request gets the answer again, another one is a mismatch.
        Assert.Equal(0, client.Ask(StunMethod.Allocate, static w => w.Add(StunAttribute.RequestedTransport, [17, 0, 0, 0]), sameTransaction: true));
        Assert.Equal(437, client.Allocate());
        Assert.Single(world.Relays);
        Assert.Equal(400, client.Ask(StunMethod.CreatePermission));
        Assert.Equal(443, client.Ask(StunMethod.CreatePermission, static w => w.Add(StunAttribute.XorPeerAddress, [0, 2, .. new byte[18]])));
        Assert.Equal(400, client.Bind(0x3fff, Peer, 1));
        Assert.Equal(400, client.Bind(0x8000, Peer, 1));
        Assert.Equal(0, client.Bind(0x4000, Peer, 1));
        Assert.Equal(400, client.Bind(0x4000, Peer, 2));
        Assert.Equal(400, client.Bind(0x4001, Peer, 1));
        Assert.Equal(0, new TurnClient(world, credential).Allocate());
        Assert.Equal(486, new TurnClient(world, credential).Allocate());
        Assert.Equal(0, new TurnClient(world, other).Allocate());
    }

    [Fact]
    public void Who_does_not_pay_is_suspended()
    {
        var world = new TurnWorld();
        RelayPeer device = world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        client.Allocate();
        client.Permit(Peer);
        device.Session.Account.Add((int)AccountingRules.RequestThreshold + 10_000);
        world.Advance(TimeSpan.FromSeconds(10));
        client.SendTo(Peer, 5000, [1]);
        world.Advance(TimeSpan.FromSeconds(15));
        client.SendTo(Peer, 5000, [1]);
        Assert.Single(world.Relays[0].Sent);
        device.AskTicket(2, (ulong)device.Session.Account.Usage + 1000);
        world.Advance(TimeSpan.FromSeconds(2));
        client.SendTo(Peer, 5000, [1]);
        Assert.Equal(2, world.Relays[0].Sent.Count);
    }

    [Fact]
    public void Strangers_get_little_and_seldom()
    {
        var world = new TurnWorld();
        var client = new TurnClient(world, new TurnCredential("x", "y", "", "diode", 0, 0));
        byte[] buffer = new byte[100];
        var writer = new StunWriter(buffer, StunMethod.Binding, StunClass.Request, new byte[12]);
        byte[] binding = writer.Finish().ToArray();
        writer = new StunWriter(buffer, StunMethod.Allocate, StunClass.Request, new byte[12]);
        writer.Write(StunAttribute.RequestedTransport, [17, 0, 0, 0]);
        byte[] allocate = writer.Finish().ToArray();
        world.Server.ReceiveFromClient(binding, client.Remote);
        byte[] reply = client.Take();
        Assert.Equal(32, reply.Length);
        world.Server.ReceiveFromClient(allocate, client.Remote);
        Assert.InRange(client.Take().Length, 20, 100);
        for (int i = 0; i < 1000; i++)
        {
            world.Server.ReceiveFromClient(binding, client.Remote);
            world.Server.ReceiveFromClient(allocate, client.Remote);
        }

        Assert.InRange(world.ToClients.Count, 40, 50);
    }

    [Fact]
    public void Damaged_input_of_a_client_does_no_harm()
    {
        var world = new TurnWorld();
        world.Device(out TurnCredential credential);
        var client = new TurnClient(world, credential);
        client.Allocate();
        client.Permit(Peer);
        client.Bind(0x4000, Peer, 5000);
        byte[] buffer = new byte[200];
        var writer = new StunWriter(buffer, StunMethod.Send, StunClass.Indication, new byte[12]);
        writer.Write(StunAttribute.XorPeerAddress, TurnClient.Xor(Peer, 5000));
        writer.Write(StunAttribute.Data, [1, 2, 3, 4, 5]);
        byte[] send = writer.Finish().ToArray();
        writer = new StunWriter(buffer, StunMethod.ChannelBind, StunClass.Request, new byte[12]);
        writer.Write(StunAttribute.ChannelNumber, TurnClient.Number(0x4000_0000));
        writer.Write(StunAttribute.XorPeerAddress, TurnClient.Xor(Peer, 5000));
        writer.WriteIntegrity([1, 2, 3]);
        byte[] bind = writer.Finish().ToArray();
        var mutator = new InputMutator(11, send, bind, [0x40, 0, 0, 5, 1, 2, 3, 4, 5]);
        for (int i = 0; i < 100_000; i++)
        {
            world.Server.ReceiveFromClient(mutator.Next(), client.Remote);
        }

        Assert.All(world.Relays[0].Sent, static sent => Assert.Equal(PeerAddress.Ip, sent.Peer.Ip));
        world.Advance(TimeSpan.FromSeconds(10));
        int before = world.Relays[0].Sent.Count;
        client.SendChannel(0x4000, [1]);
        Assert.Equal(before + 1, world.Relays[0].Sent.Count);
    }

    [GeneratedRegex("""^\{"username":"d[0-9a-f]{16}","credential":"[A-Za-z0-9_-]{32}","urls":\["turn:relay\.example:19403\?transport=udp"\],"realm":"diode","ttl_seconds":86400,"expires_at":\d{10}\}$""")]
    private static partial Regex CredentialJson();
}

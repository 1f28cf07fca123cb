using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Peers;

public sealed class PeerTicketTests
{
    private static readonly Address Server = Address.Parse("0x1111111111111111111111111111111111111111");
    private static readonly Address Near = Address.Parse("0x2222222222222222222222222222222222222222");
    private static readonly Address Far = Address.Parse("0x3333333333333333333333333333333333333333");

    [Fact]
    public void All_forms_of_local_address_name_relays_and_the_server_is_always_among_them()
    {
        Assert.Equal([Server], Read([]).Relays);
        Assert.Equal([Near, Server], Read([0x00, .. Near.ToArray()]).Relays);
        Assert.Equal([Server, Near], Read([0x01, .. Near.ToArray()]).Relays);
        Assert.Equal([Near, Far, Server], Read(LocalAddress.Encode([Near, Far], 5)).Relays);
        Assert.Equal([Server], Read(LocalAddress.Encode([], 5)).Relays);
        Assert.Equal([Server], Read([0x77, 1, 2]).Relays);
        Assert.Null(Read([]).TunnelKey);
        Assert.Equal(5UL, Read(LocalAddress.Encode([Near], 5, new byte[32])).Created);
        Assert.Equal(new byte[32], Read(LocalAddress.Encode([Near], 5, new byte[32])).TunnelKey);
    }

    [Fact]
    public void A_device_cannot_send_its_peers_to_any_number_of_relays()
    {
        Address[] many = [.. Enumerable.Range(0, 50).Select(static _ => PrivateKey.Generate().Address)];
        Assert.Equal(PeerTicket.MaxRelays, Read(LocalAddress.Encode(many, 5)).Relays.Count);
    }

    [Fact]
    public void Only_the_device_itself_is_believed()
    {
        using PrivateKey device = PrivateKey.Generate();
        using PrivateKey other = PrivateKey.Generate();
        RelayReply forged = new(null, Make(other, []));
        Assert.False(PeerTicket.TryRead(device.Address, forged, out _, out string problem));
        Assert.Contains("not signed", problem, StringComparison.Ordinal);
        Assert.False(PeerTicket.TryRead(device.Address, new RelayReply(null, null), out _, out problem));
        Assert.Contains("offline", problem, StringComparison.Ordinal);
        Assert.False(PeerTicket.TryRead(device.Address, RelayReply.Failed("timeout"), out _, out problem));
        Assert.Contains("timeout", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Relays_of_the_ticket_are_tried_first_then_the_last_one_then_the_nearest()
    {
        Address last = Address.Parse("0x4444444444444444444444444444444444444444");
        Address nearest = Address.Parse("0x5555555555555555555555555555555555555555");
        Address[] connected = [nearest, last, Far, Near];
        Assert.Equal([Near, Far, last, nearest], RelayOrder.Arrange(connected, static r => r, [Near, Server, Far], last));
        Assert.Equal(connected, RelayOrder.Arrange(connected, static r => r, [], null));
    }

    private static PeerTicket Read(byte[] localAddress)
    {
        using PrivateKey device = PrivateKey.Generate();
        Assert.True(PeerTicket.TryRead(
            device.Address, new RelayReply(null, Make(device, localAddress)), out PeerTicket? ticket, out _));
        return ticket;
    }

    private static TicketV2 Make(PrivateKey device, byte[] localAddress)
    {
        return (TicketV2)new TicketV2
        {
            ChainId = 1284,
            EpochNumber = 682,
            Fleet = default,
            Server = Server,
            TotalConnections = 1,
            TotalBytes = 1,
            LocalAddress = localAddress,
        }.Sign(device);
    }
}

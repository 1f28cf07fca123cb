using System.Net;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class TransportTests : TwoEndedTests
{
    [Fact]
    public void A_replayed_datagram_is_dropped()
    {
        Establish();
        A.SendPacket(ToB, B, 1);
        byte[] datagram = Wire.Log[^1].Datagram;
        Wire.RunSeconds(1);
        Assert.Equal(DropReason.ReplayedCounter, B.Receive([.. datagram], A).Reason);
        Assert.Equal([1], B.DeliveredPayloads());
    }

    [Fact]
    public void A_changed_datagram_is_dropped_and_the_true_one_still_accepted()
    {
        Establish();
        Wire.Filter = _ => false;
        A.SendPacket(ToB, B, 1);
        byte[] datagram = Wire.Log[^1].Datagram;
        byte[] changed = [.. datagram];
        changed[20] ^= 1;
        Assert.Equal(DropReason.DecryptionFailed, B.Receive(changed, A).Reason);
        Assert.Equal(ReceiveStatus.Packet, B.Receive([.. datagram], A).Status);
    }

    [Theory]
    [InlineData(20, 32)]
    [InlineData(32, 32)]
    [InlineData(33, 48)]
    [InlineData(1408, 1408)]
    [InlineData(1419, 1420)]
    [InlineData(1420, 1420)]
    [InlineData(1500, 1500)]
    public void Packets_are_padded_to_16_but_not_beyond_the_mtu(int length, int padded)
    {
        Establish();
        A.SendPacket(ToB, B, 1, length: Math.Max(length, 24));
        Wire.RunSeconds(0.1);
        Assert.Equal(Math.Max(padded, 32) + WireGuardConstants.TransportOverhead, Wire.Log[^1].Datagram.Length);
        Assert.Equal(Math.Max(length, 24), B.Delivered[^1].Length);
    }

    [Fact]
    public void A_source_that_is_not_the_peers_own_is_dropped()
    {
        Establish();
        A.SendRaw(ToB, Packet(IPAddress.Parse("10.9.9.9"), B.Address));
        A.SendRaw(ToB, Packet(B.Address, B.Address));
        Wire.RunSeconds(1);
        Assert.Empty(B.Delivered);
        Assert.Equal(2, B.Interface.Drops[DropReason.SourceNotAllowed]);
    }

    [Theory]
    [InlineData("00")]
    [InlineData("45000014")]
    [InlineData("55000014000000000000000000000000000000000000000000000000")]
    [InlineData("4500ffff000000000000000000000000000000000000000000000000")]
    [InlineData("45000001000000000000000000000000000000000000000000000000")]
    [InlineData("6000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("60000000002000000000000000000000000000000000000000000000000000000000000000000000000000")]
    public void Bytes_that_are_no_packet_are_dropped(string packet)
    {
        Establish();
        A.SendRaw(ToB, Convert.FromHexString(packet));
        Wire.RunSeconds(0.1);
        Assert.Empty(B.Delivered);
        Assert.Equal(1, B.Interface.Drops[DropReason.MalformedPacket]);
    }

    [Fact]
    public void Ipv6_packets_travel_too()
    {
        Establish();
        IPAddress source = IPAddress.Parse("fd00::a");
        B.Interface.SetAllowedIps(ToA, [IPNetwork.Parse("fd00::a/128")]);
        byte[] packet = new byte[45];
        packet[0] = 0x60;
        packet[5] = 5;
        source.TryWriteBytes(packet.AsSpan(8), out _);
        A.SendRaw(ToB, packet);
        Wire.RunSeconds(0.1);
        Assert.Equal(packet, Assert.Single(B.Delivered));
    }

    [Fact]
    public void The_endpoint_follows_authenticated_datagrams_only()
    {
        Establish();
        VirtualNode elsewhere = Wire.AddNode("elsewhere");
        Wire.Filter = _ => false;
        A.SendPacket(ToB, B, 1);
        byte[] datagram = Wire.Log[^1].Datagram;
        byte[] changed = [.. datagram];
        changed[^1] ^= 1;
        B.Receive(changed, elsewhere);
        Assert.Same(A, ToA.Endpoint);
        B.Receive([.. datagram], elsewhere);
        Assert.Same(elsewhere, ToA.Endpoint);
        B.Receive([.. datagram], B);
        Assert.Same(elsewhere, ToA.Endpoint);

        VirtualNode still = Wire.AddNode("still", options => options with { RoamingEnabled = false });
        Peer toA = still.Connect(A);
        A.Connect(still);
        Wire.Filter = null;
        still.SendPacket(toA, A);
        Wire.RunSeconds(1);
        toA.Endpoint = elsewhere;
        A.SendPacket(A.Interface.Peers.First(peer => peer.PublicKey == still.Interface.PublicKey), still);
        Wire.RunSeconds(1);
        Assert.Single(still.Delivered);
        Assert.Same(elsewhere, toA.Endpoint);
    }

    [Fact]
    public void A_removed_peer_is_gone_at_once()
    {
        Establish();
        A.SendPacket(ToB, B);
        byte[] inFlight = Wire.Log[^1].Datagram;
        B.SendPacket(ToA, A);
        Assert.True(B.Interface.RemovePeer(ToA));
        Assert.False(B.Interface.RemovePeer(ToA));
        Assert.Equal(DropReason.UnknownReceiver, B.Receive([.. inFlight], A).Reason);
        Assert.Equal(SealStatus.Dropped, B.SendPacket(ToA, A));
        Assert.Equal(0, B.Interface.ReceiverIndexCount);
        Assert.Null(B.Interface.Route(Packet(B.Address, A.Address)));
        Assert.Equal(long.MaxValue, B.Interface.NextTimeout);

        Wire.RunSeconds(200);
        ToB.InitiateHandshake(Wire.Now);
        Wire.RunSeconds(1);
        Assert.Empty(B.Delivered);
        Assert.False(ToB.HasSession(Wire.Now));
    }

    [Fact]
    public void A_peer_that_is_removed_and_added_again_can_connect()
    {
        Establish();
        B.Interface.RemovePeer(ToA);
        B.Connect(A);
        Wire.RunSeconds(181);
        A.SendPacket(ToB, B, 9);
        Wire.RunSeconds(1);
        Assert.Equal([9], B.DeliveredPayloads());
    }

    [Fact]
    public void A_restarted_end_is_back_within_a_handshake()
    {
        Establish();
        VirtualNode c = Wire.AddNode("c");
        Assert.Throws<ArgumentException>(() => c.SendPacket(ToB, B));
        B.Interface.RemovePeer(ToA);
        Peer again = B.Connect(A);
        Assert.Equal(SealStatus.Staged, B.SendPacket(again, A, 3));
        Wire.RunSeconds(1);
        Assert.Equal([3], A.DeliveredPayloads());
    }

    [Fact]
    public void Dispose_removes_every_peer()
    {
        Establish();
        A.Interface.Dispose();
        Assert.True(ToB.IsRemoved);
        Assert.Empty(A.Interface.Peers);
    }
}

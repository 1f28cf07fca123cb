using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class CookieTests : TwoEndedTests
{
    [Fact]
    public void Under_load_the_initiator_retries_with_the_cookie()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(1);
        Assert.Equal([1, 3], Wire.Log.Select(flight => flight.Type));
        Assert.True(Wire.Log[0].Datagram.AsSpan(132).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(1, B.Interface.Drops[DropReason.CookieRequired]);

        Wire.RunSeconds(5);
        Assert.Equal([1], B.DeliveredPayloads());
        Assert.Equal([1, 3, 1, 2, 4], Wire.Log.Select(flight => flight.Type));
        Assert.True(Wire.Log[2].Datagram.AsSpan(132).IndexOfAnyExcept((byte)0) >= 0);
    }

    [Fact]
    public void A_cookie_is_bound_to_the_source_address()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(1);
        A.SourceAddress = [198, 51, 100, 1, 0, 1];
        Wire.RunSeconds(5);
        Assert.Equal(2, B.Interface.Drops[DropReason.CookieRequired]);
        Wire.RunSeconds(6);
        Assert.Equal([1], B.DeliveredPayloads());
    }

    [Fact]
    public void A_cookie_is_not_used_after_two_minutes()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(10);
        Wire.RunSeconds(181);
        Wire.Log.Clear();
        A.SendPacket(ToB, B, 2);
        Wire.RunSeconds(1);
        Assert.True(Wire.Log[0].Datagram.AsSpan(132).IndexOfAnyExcept((byte)0) < 0);
        Wire.RunSeconds(10);
        Assert.Equal([1, 2], B.DeliveredPayloads());
    }

    [Fact]
    public void The_initiator_may_be_under_load_too()
    {
        A.Interface.IsUnderLoad = B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(30);
        Assert.Equal([1], B.DeliveredPayloads());
    }

    [Fact]
    public void Under_load_a_source_is_limited()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(6);
        byte[] withCookie = Wire.Log.Last(flight => flight.Type == 1).Datagram;
        for (int i = 0; i < 20; i++)
        {
            B.Receive([.. withCookie], A);
        }

        Assert.InRange(B.Interface.Drops[DropReason.ReplayedInitiation], 4, 5);
        Assert.InRange(B.Interface.Drops[DropReason.RateLimited], 15, 16);
    }

    [Fact]
    public void Many_handshake_messages_a_second_are_load()
    {
        A.SendPacket(ToB, B);
        byte[] initiation = Wire.Log[0].Datagram;
        for (int i = 0; i < 250; i++)
        {
            B.Receive([.. initiation], A);
        }

        Assert.Equal(50, B.Interface.Drops[DropReason.CookieRequired]);
    }

    [Fact]
    public void A_false_mac1_gets_no_answer_even_under_load()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B);
        byte[] initiation = [.. Wire.Log[0].Datagram];
        initiation[120] ^= 1;
        Assert.Equal(DropReason.InvalidMac1, B.Receive(initiation, A).Reason);
        Assert.Equal(0, Sent(B, 3));
    }

    [Fact]
    public void A_false_or_repeated_cookie_reply_is_dropped()
    {
        B.Interface.IsUnderLoad = true;
        A.SendPacket(ToB, B);
        Wire.RunSeconds(1);
        byte[] reply = Wire.Log.First(flight => flight.Type == 3).Datagram;
        Assert.Equal(DropReason.InvalidCookieReply, A.Receive([.. reply], B).Reason);
        byte[] changed = [.. reply];
        changed[40] ^= 1;
        Assert.Equal(DropReason.InvalidCookieReply, A.Receive(changed, B).Reason);
    }
}

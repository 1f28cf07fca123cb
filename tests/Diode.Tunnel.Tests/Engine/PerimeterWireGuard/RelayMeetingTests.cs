using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PerimeterWireGuard;

public sealed class RelayMeetingTests
{
    private const long Second = TimeSpan.TicksPerSecond;
    private static readonly object Relay = new();

    /// <summary>Both ends ask at the same moment: each sees one port as its own and the other as the peer's, and both choose the same.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    public void Opened_by_both_at_once_the_lower_port_counts_at_both_ends(int here, int there)
    {
        var one = new RelayMeeting(true, 0);
        var other = new RelayMeeting(false, 0);
        one.Outbound(Port(4001), here * Second);
        other.Inbound(Port(4001), here * Second);
        one.Inbound(Port(4000), there * Second);
        other.Outbound(Port(4000), there * Second);
        Assert.Equal((4000, 4000), (one.Current!.Endpoint.Port, other.Current!.Endpoint.Port));
    }

    [Fact]
    public void Later_the_newer_port_counts()
    {
        var meeting = new RelayMeeting(true, 0);
        Assert.True(meeting.Outbound(Port(4000), 0));
        Assert.True(meeting.Inbound(Port(4001), 3 * Second));
        Assert.Equal(4001, meeting.Current!.Endpoint.Port);
        Assert.True(meeting.Outbound(Port(4002), 9 * Second));
        Assert.Equal(4002, meeting.Current!.Endpoint.Port);
        Assert.False(meeting.Outbound(Port(4002), 20 * Second));
    }

    [Fact]
    public void One_end_asks_at_once_and_the_other_waits_for_it()
    {
        Assert.True(new RelayMeeting(true, 0).TakeAttempt(0));
        var second = new RelayMeeting(false, 0);
        Assert.False(second.TakeAttempt(2 * Second));
        Assert.True(second.TakeAttempt(3 * Second));
        var asked = new RelayMeeting(false, 0);
        asked.Inbound(Port(4000), Second);
        Assert.False(asked.TakeAttempt(4 * Second));
    }

    [Fact]
    public void Attempts_become_rarer()
    {
        var meeting = new RelayMeeting(true, 0);
        int attempts = Enumerable.Range(0, 600).Count(second => meeting.TakeAttempt(second * Second));
        Assert.InRange(attempts, 10, 16);
    }

    /// <summary>A port that brings nothing is replaced, one that has gone silent as well; one that carries is left alone.</summary>
    [Fact]
    public void A_port_must_prove_itself()
    {
        var meeting = new RelayMeeting(true, 0);
        Assert.True(meeting.TakeAttempt(0));
        meeting.Outbound(Port(4000), 0);
        Assert.False(meeting.TakeAttempt(12 * Second));
        Assert.True(meeting.TakeAttempt(13 * Second));
        meeting.Outbound(Port(4001), 13 * Second);
        meeting.Heard(Port(4001).Endpoint, 14 * Second);
        Assert.False(meeting.TakeAttempt(80 * Second));
        Assert.True(meeting.TakeAttempt(90 * Second));
    }

    [Fact]
    public void Where_the_peer_sends_is_where_it_is()
    {
        var meeting = new RelayMeeting(true, 0);
        meeting.Outbound(Port(4000), 0);
        meeting.Inbound(Port(4001), Second);
        Assert.Equal(4000, meeting.Current!.Endpoint.Port);
        Assert.Null(meeting.Heard(Port(4001).Endpoint, Second));
        Assert.Equal(4001, meeting.Current!.Endpoint.Port);

        // The other port is given back once this one has proven itself for a while.
        Assert.Equal(4000, meeting.Heard(Port(4001).Endpoint, 9 * Second)!.Endpoint.Port);
        Assert.Null(meeting.Heard(Port(4001).Endpoint, 10 * Second));
    }

    [Fact]
    public void With_the_session_of_a_relay_its_ports_are_gone()
    {
        var meeting = new RelayMeeting(true, 0);
        Assert.True(meeting.TakeAttempt(0));
        var elsewhere = new MeetingPort(new object(), Port(4001).Endpoint);
        meeting.Inbound(elsewhere, 0);
        meeting.Outbound(Port(4000), 0);
        Assert.True(meeting.RelayClosed(Relay, 5 * Second));
        Assert.Equal(elsewhere, meeting.Current);
        Assert.True(meeting.RelayClosed(elsewhere.Relay, 6 * Second));
        Assert.Null(meeting.Current);
        Assert.True(meeting.TakeAttempt(8 * Second));
    }

    private static MeetingPort Port(int number)
    {
        Assert.True(EndpointAddress.TryParse($"198.51.100.7:{number}", out EndpointAddress endpoint));
        return new MeetingPort(Relay, endpoint);
    }
}

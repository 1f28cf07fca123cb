using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Paths.Probing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>The choice of ways in virtual time: two whole ends, their probes and the networks between them.</summary>
public sealed class PathAgentTests
{
    private const long Ms = PathWorld.Ms;
    private const long Second = 1000 * Ms;

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(500)]
    public void On_a_plain_network_both_are_direct_within_three_round_trips(int gapMs)
    {
        PathWorld world = new PathWorld().Introduce(gapMs * Ms);
        long took = world.Until(() => world is { A.Kind: PathKind.DirectUdp, B.Kind: PathKind.DirectUdp }, 2 * Second);
        Assert.InRange(took, 1, 70 * Ms);
        Assert.Equal(PathTimings.FullDatagram, world.A.Agent.Current!.MaxDatagram);
    }

    public static TheoryData<int, int> NatPairs()
    {
        TheoryData<int, int> pairs = [];
        foreach (NatKind a in Enum.GetValues<NatKind>())
        {
            foreach (NatKind b in Enum.GetValues<NatKind>())
            {
                pairs.Add((int)a, (int)b);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(NatPairs))]
    public void Through_nats_it_is_direct_wherever_the_nats_allow_it(int natA, int natB)
    {
        (NatKind a, NatKind b) = ((NatKind)natA, (NatKind)natB);
        PathWorld world = new PathWorld(a, b).Introduce(15 * Ms);
        world.Talk(5 * Second);
        bool isBlocked = a == NatKind.Blocked || b == NatKind.Blocked;
        bool isTooHard = (a == NatKind.Symmetric && b is NatKind.PortFiltered or NatKind.Symmetric)
            || (b == NatKind.Symmetric && a is NatKind.PortFiltered or NatKind.Symmetric);
        PathKind expected = isBlocked || isTooHard ? PathKind.RelayStream : PathKind.DirectUdp;
        Assert.Equal((expected, expected), (world.A.Kind, world.B.Kind));
        Assert.Equal(expected != PathKind.DirectUdp, world.A.Agent.WantsRelayPort(world.Now));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Loss_and_reordering_neither_keep_from_the_direct_way_nor_make_it_flap(int seed)
    {
        PathWorld world = new(seed: seed) { Loss = 0.05, Jitter = 30 * Ms };
        world.Introduce();
        world.Talk(600 * Second, 20 * Ms);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
        Assert.InRange(world.A.Changes + world.B.Changes, 2, 4);
    }

    [Fact]
    public void Heavy_loss_only_delays()
    {
        PathWorld world = new(seed: 7) { Loss = 0.4 };
        world.Introduce();
        world.Until(() => world is { A.Kind: PathKind.DirectUdp, B.Kind: PathKind.DirectUdp }, 4 * Second);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_dead_direction_is_noticed_at_both_ends_and_the_stream_carries_on(bool isA)
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        (isA ? world.A : world.B).IsMute = true;
        world.Talk(1500 * Ms);
        Assert.Equal((PathKind.RelayStream, PathKind.RelayStream), (world.A.Kind, world.B.Kind));
        (int sent, int arrived) = world.Talk(2 * Second);
        Assert.InRange(arrived, sent - 10, sent + 10);

        // It comes back, but must hold for a while first.
        (isA ? world.A : world.B).IsMute = false;
        world.Talk(12 * Second);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
    }

    [Fact]
    public void Data_without_answers_are_noticed_though_nobody_pinged_lately()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Until(() => world.A.Kind == PathKind.DirectUdp, Second);
        world.Run(100 * Second);
        world.B.IsMute = true;
        long start = world.Now;
        while (world.A.Kind == PathKind.DirectUdp)
        {
            world.Talk(50 * Ms, bothWays: false);
            Assert.InRange(world.Now - start, 0, 1500 * Ms);
        }

        Assert.Equal(PathKind.RelayStream, world.A.Kind);
    }

    [Fact]
    public void A_pulled_cable_changes_nothing_and_the_first_packet_afterwards_arrives()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        (world.A.IsMute, world.B.IsMute, world.StreamIsUp) = (true, true, false);
        world.Talk(3 * Second);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
        (world.A.IsMute, world.B.IsMute) = (false, false);
        int before = world.B.DataReceived;
        world.A.SendData();
        world.Run(world.Delay + Ms);
        Assert.Equal(before + 1, world.B.DataReceived);
        world.Talk(2 * Second);
        Assert.False(world.A.Agent.IsSilent(world.Now) || world.B.Agent.IsSilent(world.Now));
        Assert.Equal(2, world.A.Changes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(37)]
    [InlineData(80)]
    public void What_a_relay_held_back_while_the_cable_was_out_does_not_lead_away_from_the_direct_way(int phaseMs)
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        (world.A.IsMute, world.B.IsMute, world.Held) = (true, true, []);
        world.Talk((3 * Second) + (phaseMs * Ms));
        List<Action> held = world.Held;
        (world.A.IsMute, world.B.IsMute, world.Held) = (false, false, null);
        held.ForEach(static deliver => deliver());
        for (int i = 0; i < 200; i++)
        {
            world.Talk(10 * Ms);
            Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
        }
    }

    [Fact]
    public void An_answer_by_the_relay_from_before_the_cable_was_pulled_does_not_lead_away_from_the_direct_way()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);

        // First only probes get lost, as on a busy machine; then everything.
        world.A.IsMute = true;
        world.Until(() => world.A.Agent.Current!.Lost > 0, 2 * Second);
        world.Talk(120 * Ms);
        (world.B.IsMute, world.StreamIsUp) = (true, false);
        world.Talk(3 * Second);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
    }

    [Theory]
    [InlineData((int)NatKind.None)]
    [InlineData((int)NatKind.PortFiltered)]
    public void A_new_address_is_followed_without_the_stream(int nat)
    {
        PathWorld world = new PathWorld((NatKind)nat, NatKind.None).Introduce();
        world.Talk(3 * Second);
        world.A.Rebind("198.51.100.77:5123");
        long moved = world.Now;
        while (world.B.Agent.Current!.Remote != world.A.Public)
        {
            world.Talk(20 * Ms);
            Assert.InRange(world.Now - moved, 0, 700 * Ms);
            Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
        }

        (int sent, int arrived) = world.Talk(2 * Second);
        Assert.InRange(arrived, sent - 4, sent + 4);
    }

    [Fact]
    public void A_way_that_still_brings_data_is_not_silent_however_many_probes_get_lost()
    {
        PathWorld world = new PathWorld().Introduce();
        world.StreamIsUp = false;
        world.A.Agent.SetStream(null, null, world.Now);
        world.B.Agent.SetStream(null, null, world.Now);
        world.Talk(2 * Second);
        world.A.IsMute = true;
        for (int i = 0; i < 12; i++)
        {
            world.Talk(50 * Ms);
            Assert.False(world.A.Agent.IsSilent(world.Now));
        }

        world.B.IsMute = true;
        world.Talk(Second);
        Assert.True(world.A.Agent.IsSilent(world.Now));
    }

    [Fact]
    public void A_new_stream_takes_over_from_a_dead_way_at_once()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(2 * Second);
        world.StreamIsUp = false;
        world.A.Agent.SetStream(null, null, world.Now);
        (world.A.IsMute, world.B.IsMute) = (true, true);
        world.Talk(3 * Second);
        Assert.Equal(PathKind.DirectUdp, world.A.Kind);
        world.StreamIsUp = true;
        world.A.RenewStream();
        world.Until(() => world.A.Kind == PathKind.RelayStream, 300 * Ms);
    }

    [Fact]
    public void Without_a_relay_the_direct_way_lives_on()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(2 * Second);
        world.StreamIsUp = false;
        world.A.Agent.SetStream(null, null, world.Now);
        world.B.Agent.SetStream(null, null, world.Now);
        (int sent, int arrived) = world.Talk(100 * Second, 50 * Ms);
        Assert.InRange(arrived, sent - 2, sent);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
    }

    [Theory]
    [InlineData(1252)]
    [InlineData(1232)]
    [InlineData(1400)]
    public void A_narrow_path_is_measured_before_it_is_used(int max)
    {
        PathWorld world = new() { MaxDatagram = max };
        world.Introduce();
        world.Until(() => world.A.Kind == PathKind.DirectUdp, 2 * Second);
        Assert.InRange(world.A.Agent.Current!.MaxDatagram, max - 24, max);
    }

    [Fact]
    public void A_path_that_becomes_narrow_is_noticed_by_traffic()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.MaxDatagram = 1252;
        world.Talk(6 * Second);
        Assert.Equal((PathKind.DirectUdp, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram));
    }

    [Fact]
    public void A_narrower_path_after_a_restart_of_the_peer_is_measured_anew()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.MaxDatagram = 1252;
        world.B.Session.Renew();
        world.B.Introduce();
        world.Run(2 * Second);
        Assert.Equal((PathKind.DirectUdp, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_was_measured_before_the_peer_was_restarted_is_not_relied_on(bool isRestarted)
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.MaxDatagram = 1252;
        world.A.DataLength = 1264;
        if (isRestarted)
        {
            world.B.Session.Renew();
            world.B.Introduce();
        }
        else
        {
            world.A.Agent.NetworkChanged(world.Now);
        }

        // From the first packet on; or, where it is not likely, after one ping was lost.
        (int sent, int arrived) = world.Talk(2 * Second);
        Assert.InRange(arrived, sent - (isRestarted ? 6 : 20), sent);
        Assert.Equal((PathKind.DirectUdp, 1252, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram, world.A.Agent.Current.SafeDatagram));
    }

    [Fact]
    public void A_length_measured_anew_is_told_as_it_was_until_it_is_found_to_be_less()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.A.DataLength = 1452;
        world.A.Agent.NetworkChanged(world.Now);
        world.A.Agent.NetworkChanged(world.Now);
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal(
                (PathTimings.FullDatagram, PathTimings.FullDatagram), (world.A.Agent.Current!.MaxDatagram, world.A.Agent.Current.SafeDatagram));
            world.Talk(5 * Ms);
        }

        world.A.Agent.PeerChanged(world.Now);
        Assert.Equal(
            (PathTimings.FullDatagram, PathTimings.LeastDatagram), (world.A.Agent.Current!.MaxDatagram, world.A.Agent.Current.SafeDatagram));
        world.Talk(100 * Ms);
        Assert.Equal(PathTimings.FullDatagram, world.A.Agent.Current.SafeDatagram);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(25)]
    public void Single_long_packets_that_get_lost_among_short_ones_that_do_not_are_noticed(int pause)
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.Run(pause * Second);
        world.MaxDatagram = 1252;
        for (int i = 0; i < 30; i++)
        {
            // One retransmission or so a second, and lively small talk beside it.
            world.A.DataLength = 1400;
            world.Talk(Ms, bothWays: false);
            world.A.DataLength = 104;
            world.Talk(100 * Ms);
        }

        Assert.Equal((PathKind.DirectUdp, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram));
    }

    [Fact]
    public void A_few_long_packets_without_an_answer_are_enough_to_notice_a_narrow_path()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.MaxDatagram = 1252;
        world.A.LoseData = true;
        world.Talk(3 * Second, 200 * Ms, bothWays: false);
        Assert.Equal((PathKind.DirectUdp, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram));
    }

    [Fact]
    public void A_path_too_narrow_for_anything_is_not_used()
    {
        PathWorld world = new() { MaxDatagram = 600 };
        world.Introduce();
        world.Talk(20 * Second);
        Assert.Equal((PathKind.RelayStream, PathKind.RelayStream), (world.A.Kind, world.B.Kind));
    }

    [Fact]
    public void A_length_that_this_machine_refuses_is_given_up_at_once()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.A.DataLength = PathTimings.FullDatagram;
        world.Talk(Second);
        world.A.InterfaceMax = 1272;
        (int sent, int arrived) = world.Talk(Ms);
        Assert.InRange(world.A.Agent.Current!.MaxDatagram, PathTimings.LeastDatagram, 1272);
        Assert.Equal(PathTimings.LeastDatagram, world.A.Agent.Current.SafeDatagram);

        (int more, int moreArrived) = world.Talk(2 * Second);
        Assert.InRange(sent + more - arrived - moreArrived, 0, 8);
        Assert.Equal((PathKind.DirectUdp, 1252, 1252), (world.A.Kind, world.A.Agent.Current!.MaxDatagram, world.A.Agent.Current.SafeDatagram));
        Assert.Equal(PathTimings.FullDatagram, world.B.Agent.Current!.MaxDatagram);
    }

    [Fact]
    public void A_narrow_interface_is_known_without_waiting_for_answers()
    {
        PathWorld world = new();
        world.A.InterfaceMax = world.B.InterfaceMax = 1372;
        world.Introduce();
        world.Until(() => world.A.Kind == PathKind.DirectUdp && world.A.Agent.Current!.MaxDatagram == 1372, 500 * Ms);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_a_route_here_the_stream_is_used_at_once_and_the_way_again_when_it_is_back(bool isTold)
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(3 * Second);
        world.A.HasNoRoute = true;
        world.A.SendData();
        world.Run(Ms);
        Assert.Equal(PathKind.RelayStream, world.A.Kind);
        (int sent, int arrived) = world.Talk(3 * Second);
        Assert.InRange(arrived, sent - 60, sent);

        world.A.HasNoRoute = false;
        if (isTold)
        {
            world.A.Agent.NetworkChanged(world.Now);
        }

        world.Talk((isTold ? 1 : 10) * Second);
        Assert.Equal(PathKind.DirectUdp, world.A.Kind);
    }

    [Fact]
    public void Silence_is_cheap()
    {
        PathWorld world = new PathWorld(NatKind.Symmetric, NatKind.Symmetric).Introduce();
        world.Run(30 * Second);
        int before = world.A.ProbesSent;
        world.Run(600 * Second);
        Assert.Equal(before, world.A.ProbesSent);

        PathWorld direct = new PathWorld().Introduce();
        direct.Run(30 * Second);
        before = direct.A.ProbesSent;
        direct.Run(600 * Second);
        Assert.InRange(direct.A.ProbesSent - before, 40, 70);
    }

    [Fact]
    public void A_flapping_path_is_left_alone_for_longer_each_time()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(2 * Second);
        int before = world.A.Changes;
        for (int i = 0; i < 30; i++)
        {
            world.A.IsMute = true;
            world.Talk(5 * Second, 20 * Ms);
            world.A.IsMute = false;
            world.Talk(5 * Second, 20 * Ms);
        }

        // 30 times bad in five minutes.
        Assert.InRange(world.A.Changes - before, 2, 16);
    }

    [Fact]
    public void Candidates_are_bounded()
    {
        PathWorld world = new();
        world.B.Session.TakeSecret(world.A.Session.Own.Id, world.A.Session.Own.Key.ToArray(), world.Now);
        world.B.Agent.SetCandidates(Enumerable.Range(1, 500).Select(static i => PathWorld.Address($"203.0.113.9:{i}")), world.Now);
        Assert.InRange(world.B.Agent.Routes.Count, 1, PathAgent.MaxRoutes);
        world.Run(60 * Second);
        Assert.InRange(world.Seen.Count, 1, PathAgent.MaxRoutes * PathTimings.Attempts.Length);
    }
}

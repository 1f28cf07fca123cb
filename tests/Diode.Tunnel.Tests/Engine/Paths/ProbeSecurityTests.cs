using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>Probes of others: forged, changed, repeated, sent back.</summary>
public sealed class ProbeSecurityTests
{
    private const long Second = TimeSpan.TicksPerSecond;
    private static readonly EndpointAddress Attacker = PathWorld.Address("192.0.2.66:666");

    [Fact]
    public void Repeated_probes_move_nothing_and_get_no_answer()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(2 * Second);
        (EndpointAddress From, EndpointAddress To, byte[] Datagram)[] seen =
            [.. world.Seen.Where(s => s.To == world.B.Public && ProbeMessage.IsProbe(s.Datagram))];
        Assert.NotEmpty(seen);
        int routes = world.B.Agent.Routes.Count;
        int probes = world.B.ProbesSent;
        foreach ((_, _, byte[] datagram) in seen)
        {
            Assert.Null(world.B.Session.Receive(datagram, null, Attacker, world.Now));
        }

        Assert.Equal((routes, probes), (world.B.Agent.Routes.Count, world.B.ProbesSent));
        Assert.Equal(world.A.Public, world.B.Agent.Current!.Remote);
    }

    [Fact]
    public void Every_byte_of_a_probe_counts()
    {
        using ProbeSecret secret = ProbeSecret.Create();
        byte[] ping = new byte[ProbeMessage.Length];
        ProbeMessage.WritePing(ping, secret.Id, 1, 2, secret.Key);
        Assert.True(ProbeMessage.TryRead(ping, out _) && ProbeMessage.IsAuthentic(ping, secret.Key));
        for (int i = 0; i < ping.Length; i++)
        {
            byte[] changed = [.. ping];
            changed[i] ^= 0x40;
            Assert.False(ProbeMessage.TryRead(changed, out _) && ProbeMessage.IsAuthentic(changed, secret.Key));
        }

        Assert.False(ProbeMessage.TryRead([.. ping, 0], out _));
        Assert.False(ProbeMessage.TryRead(ping.AsSpan(0, 63), out _));
    }

    [Fact]
    public void Random_bytes_are_refused_without_an_exception()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(Second);
        Random random = new(5);
        byte[][] good = [.. world.Seen.Select(static s => s.Datagram).Where(static d => ProbeMessage.IsProbe(d)).Take(64)];
        for (int i = 0; i < 50_000; i++)
        {
            byte[] datagram = [.. good[random.Next(good.Length)]];
            for (int changes = random.Next(1, 5); changes > 0; changes--)
            {
                datagram[random.Next(48)] ^= (byte)random.Next(1, 256);
            }

            datagram = datagram[..random.Next(datagram.Length + 1)];
            Assert.Null(world.B.Session.Receive(datagram, null, Attacker, world.Now));
        }

        Assert.Equal(PathKind.DirectUdp, world.B.Kind);
        Assert.DoesNotContain(world.B.Agent.Routes, static r => r.Remote == Attacker);
    }

    [Fact]
    public void An_authentic_ping_from_elsewhere_is_asked_and_not_believed()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(2 * Second);

        // Caught on the way and delivered first, from another address.
        byte[] ping = new byte[ProbeMessage.Length];
        ulong counter = 0;
        foreach ((_, EndpointAddress to, byte[] datagram) in world.Seen)
        {
            if (to == world.B.Public && ProbeMessage.TryRead(datagram, out ProbeMessage probe))
            {
                counter = Math.Max(counter, probe.Counter);
            }
        }

        ProbeMessage.WritePing(ping, world.B.Session.Own.Id, counter + 1, 77, world.B.Session.Own.Key);
        Assert.NotNull(world.B.Session.Receive(ping, null, Attacker, world.Now));
        world.Talk(20 * Second);
        Assert.Equal(world.A.Public, world.B.Agent.Current!.Remote);
    }

    [Fact]
    public void A_pong_nobody_asked_for_proves_nothing()
    {
        PathWorld world = new PathWorld(NatKind.Blocked).Introduce();
        byte[] pong = new byte[ProbeMessage.Length];
        ProbeMessage.WritePong(pong, world.B.Session.Own.Id, 1_000_000, 77, default, world.B.Session.Own.Key);
        Assert.Null(world.B.Session.Receive(pong, null, Attacker, world.Now));
        Assert.Null(world.B.Session.Receive(pong, null, world.A.Public, world.Now));
        world.Talk(Second);
        Assert.Equal(PathKind.RelayStream, world.B.Kind);
    }

    [Fact]
    public void Answers_are_limited_and_never_longer_than_the_question()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Run(Second);
        int before = world.B.ProbesSent;
        byte[] ping = new byte[ProbeMessage.Length];
        for (ulong i = 0; i < 10_000; i++)
        {
            ProbeMessage.WritePing(ping, world.B.Session.Own.Id, 1_000_000 + i, i, world.B.Session.Own.Key);
            world.B.Session.Receive(ping, null, world.A.Public, world.Now);
        }

        Assert.InRange(world.B.ProbesSent - before, 1, 200);
    }

    [Fact]
    public void A_new_secret_takes_over_and_the_old_one_still_counts_for_a_while()
    {
        PathWorld world = new PathWorld().Introduce();
        world.Talk(Second);
        world.A.Session.Renew();
        world.Talk(3 * Second);
        Assert.Equal(PathKind.DirectUdp, world.B.Kind);
        world.A.Introduce();
        world.Talk(3 * Second);
        Assert.Equal((PathKind.DirectUdp, PathKind.DirectUdp), (world.A.Kind, world.B.Kind));
        Assert.False(world.B.Agent.IsSilent(world.Now));
    }

    [Fact]
    public void Counters_are_taken_once_within_the_window()
    {
        using ProbeSecret secret = ProbeSecret.Create();
        Assert.True(secret.TryAccept(100));
        Assert.False(secret.TryAccept(100));
        Assert.True(secret.TryAccept(99));
        Assert.False(secret.TryAccept(99));
        Assert.True(secret.TryAccept(37));
        Assert.False(secret.TryAccept(36));
        Assert.True(secret.TryAccept(ulong.MaxValue));
        Assert.False(secret.TryAccept(101));
    }

    [Theory]
    [InlineData("192.0.2.1:41042", true)]
    [InlineData("10.1.2.3:1", true)]
    [InlineData("[2001:db8::1]:9", true)]
    [InlineData("127.0.0.1:41042", false)]
    [InlineData("0.0.0.0:41042", false)]
    [InlineData("169.254.1.1:41042", false)]
    [InlineData("224.0.0.1:41042", false)]
    [InlineData("255.255.255.255:41042", false)]
    [InlineData("100.64.0.9:41042", false)]
    [InlineData("192.0.2.1:0", false)]
    [InlineData("192.0.2.1", false)]
    [InlineData("[::1]:41042", false)]
    [InlineData("[fe80::1]:41042", false)]
    [InlineData("[fe80::1%2]:41042", false)]
    [InlineData("[ff02::1]:41042", false)]
    [InlineData("name.example:41042", false)]
    public void Only_addresses_that_can_be_a_peers_are_tried(string text, bool isUsable)
    {
        Assert.Equal(isUsable, CandidatePolicy.Read([text], Diode.Tunnel.Engine.Addressing.AddressPool.Default).Count == 1);
    }

    [Fact]
    public void Virtual_addresses_of_the_product_are_no_candidates()
    {
        string address = $"[{Diode.Tunnel.Engine.Addressing.VirtualAddresses.Ipv6Prefix.BaseAddress}1]:41042".Replace(":::", "::", StringComparison.Ordinal);
        Assert.Empty(CandidatePolicy.Read([address], Diode.Tunnel.Engine.Addressing.AddressPool.Default));
    }
}

using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.ControlChannel;
using Diode.Tunnel.Tests.Platform.Network;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Exits;

/// <summary>The state machine over real control channels and the real routing; the system is a set of values.</summary>
public sealed class ExitClientTests : IDisposable
{
    private static readonly ControlMessage Grant = new()
    {
        Type = ControlMessage.ExitGrant,
        Ipv4 = true,
        Ipv6 = false,
        Resolvers = ["100.64.0.1", "not an address"],
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("exit").FullName;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly RecordingExecutor _executor = new();
    private readonly SystemChanges _changes;
    private readonly PeerMesh _mesh;
    private readonly ExitClient _client;
    private readonly PrivateKey _self = PrivateKey.Generate();
    private readonly List<IDisposable> _owned = [];
    private readonly List<ExitClientState> _seen = [];

    public ExitClientTests()
    {
        _changes = new SystemChanges(Path.Combine(_folder, "journal"), _executor);
        _mesh = new PeerMesh(_self.Address, null!, null!, null!, null!, NullLogger.Instance, _time);
        ExitRouting routing = new(_changes, AddressPool.Default) { Adapter = ("tun9", [IPAddress.Parse("100.64.0.9")]) };
        _client = new ExitClient(routing, _mesh, OnChanged, NullLogger.Instance, _time);
    }

    private bool IsClosed => _changes.ActiveScopes.Contains(ExitRouting.GuardScope);

    [Fact]
    public void An_exit_is_asked_granted_and_released()
    {
        (TunnelPeer peer, LinkEnd end) = AddExit("berlin", "de");
        Assert.False(IsClosed);
        _client.Use(new ExitChoice("de", AllowLan: false));
        Assert.True(IsClosed);
        Assert.Equal((ExitClientState.Connecting, ExitFamilies.None), (_client.State, _client.Families));
        Assert.Equal(ControlMessage.ExitRequest, Assert.Single(Heard(end)).Type);

        _client.HandleGrant(peer, Grant);
        Assert.Equal((ExitClientState.Connected, ExitFamilies.Ipv4), (_client.State, _client.Families));
        Assert.Equal([IPAddress.Parse("100.64.0.1")], _client.Resolvers);
        Assert.True(IsClosed);

        _client.Off();
        Assert.Equal(ControlMessage.ExitRelease, Heard(end)[^1].Type);
        Assert.Equal((ExitClientState.Disconnected, ExitFamilies.None), (_client.State, _client.Families));
        Assert.Empty(_client.Resolvers);
        Assert.Empty(_executor.System);
        Assert.Equal([ExitClientState.Connecting, ExitClientState.Connected, ExitClientState.Disconnected], _seen);
    }

    [Fact]
    public void The_kill_switch_is_first_on_and_last_off()
    {
        AddExit("berlin", "de");
        _client.Use(new ExitChoice("de", AllowLan: false));
        Assert.Contains("table", _executor.Log[0], StringComparison.OrdinalIgnoreCase);
        string guard = _executor.Log[0]["apply ".Length..];
        _client.Off();
        Assert.Equal("undo " + guard, _executor.Log[^1]);
    }

    [Fact]
    public void Without_an_exit_it_is_blocked_and_stays_closed_until_released()
    {
        _client.Use(new ExitChoice("de", AllowLan: false));
        Assert.Equal(ExitClientState.Blocked, _client.State);
        for (int i = 0; i < 1000; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _client.Tick();
        }

        Assert.True(IsClosed);
        Assert.Equal(ExitClientState.Blocked, _client.State);
        _client.Stop(); // the tunnel goes down: who takes it down decides about the kill switch
        Assert.True(IsClosed);
        _client.Off();
        Assert.False(IsClosed);
    }

    [Fact]
    public void An_exit_that_comes_later_is_taken()
    {
        _client.Use(new ExitChoice("de", AllowLan: false));
        (TunnelPeer peer, _) = AddExit("berlin", "DE");
        _client.Tick();
        Assert.Equal((ExitClientState.Connecting, peer), (_client.State, _client.Exit));
    }

    [Fact]
    public void When_the_exit_dies_another_of_the_region_follows_and_never_one_of_another()
    {
        (TunnelPeer first, LinkEnd end) = AddExit("berlin", "de", TimeSpan.FromMilliseconds(10));
        (TunnelPeer second, _) = AddExit("bonn", "de", TimeSpan.FromMilliseconds(20));
        AddExit("boston", "us", TimeSpan.FromMilliseconds(1));
        _client.Use(new ExitChoice("de", AllowLan: false));
        Assert.Same(first, _client.Exit); // the nearest
        _client.HandleGrant(first, Grant);
        end.Link.Close("gone");
        first.Link!.Close("gone");
        _client.HandleLoss(first, "gone", refused: false);
        Assert.Equal((ExitClientState.Connecting, second, ExitFamilies.None), (_client.State, _client.Exit, _client.Families));
        Assert.Empty(_client.Resolvers);
        _client.HandleGrant(second, Grant);
        second.Link!.Close("gone too");
        _client.HandleLoss(second, "gone too", refused: false);
        Assert.Equal((ExitClientState.Blocked, null), (_client.State, _client.Exit));
        Assert.True(IsClosed);
    }

    [Fact]
    public void Who_refused_is_not_asked_again_for_a_while()
    {
        (TunnelPeer peer, LinkEnd end) = AddExit("berlin", "de");
        _client.Use(new ExitChoice("auto", AllowLan: false));
        _client.HandleLoss(peer, "full", refused: true);
        Assert.Equal(ExitClientState.Blocked, _client.State);
        for (int i = 0; i < 9; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _client.Tick();
        }

        Assert.Equal(ExitClientState.Blocked, _client.State);
        Assert.Single(Heard(end), static m => m.Type == ControlMessage.ExitRequest);
        Assert.Single(Heard(end), static m => m.Type == ControlMessage.ExitRelease);
        _time.Advance(TimeSpan.FromSeconds(2));
        _client.Tick();
        Assert.Equal(2, Heard(end).Count(static m => m.Type == ControlMessage.ExitRequest));
        Assert.Equal(ExitClientState.Connecting, _client.State);
    }

    [Fact]
    public void Who_does_not_answer_is_given_up_for_the_next()
    {
        (TunnelPeer first, _) = AddExit("berlin", "de", TimeSpan.FromMilliseconds(10));
        (TunnelPeer second, _) = AddExit("bonn", "de", TimeSpan.FromMilliseconds(20));
        _client.Use(new ExitChoice("de", AllowLan: false));
        _time.Advance(TimeSpan.FromSeconds(3));
        _client.Tick();
        Assert.Same(first, _client.Exit);
        _time.Advance(TimeSpan.FromSeconds(2));
        _client.Tick();
        Assert.Same(second, _client.Exit);
        _client.HandleGrant(first, Grant); // too late
        Assert.Equal(ExitClientState.Connecting, _client.State);
    }

    [Fact]
    public void A_grant_that_was_not_asked_for_is_ignored()
    {
        (TunnelPeer peer, _) = AddExit("berlin", "de");
        (TunnelPeer other, _) = AddExit("boston", "us");
        _client.HandleGrant(peer, Grant);
        Assert.Equal(ExitClientState.Disconnected, _client.State);
        Assert.False(IsClosed);
        _client.Use(new ExitChoice("de", AllowLan: false));
        _client.HandleGrant(other, Grant);
        Assert.Equal(ExitClientState.Connecting, _client.State);
        _client.HandleLoss(other, "no", refused: true);
        Assert.Same(peer, _client.Exit);
    }

    [Theory]
    [InlineData("auto", true)]
    [InlineData("DE", true)]
    [InlineData("berlin", true)]
    [InlineData("Berlin.home.diode", true)]
    [InlineData("us", false)]
    [InlineData("ber", false)]
    public void An_exit_is_named_by_region_label_or_name(string target, bool matches)
    {
        (TunnelPeer peer, _) = AddExit("berlin", "de");
        Assert.Equal(matches, _client.Matching(target).Contains(peer));
        Assert.Contains(peer, _client.Matching(peer.Device.ToString()));
    }

    [Fact]
    public void When_the_system_refuses_the_first_exit_everything_is_as_before()
    {
        AddExit("berlin", "de");
        _executor.RefusesApply = static change => change is RuleChange;
        Assert.Throws<PlatformException>(() => _client.Use(new ExitChoice("de", AllowLan: false)));
        Assert.Equal((ExitClientState.Disconnected, null), (_client.State, _client.Choice));
        Assert.Empty(_executor.System);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void When_the_system_refuses_later_nothing_opens(bool resumed)
    {
        (TunnelPeer peer, _) = AddExit("berlin", "de");
        if (!resumed)
        {
            _client.Use(new ExitChoice("de", AllowLan: false));
            _client.HandleGrant(peer, Grant);
        }
        else
        {
            new ExitRouting(_changes, AddressPool.Default).GuardOnly(allowLan: false);
        }

        _executor.RefusesApply = static change => change is RuleChange;
        Assert.Throws<PlatformException>(() => _client.Use(new ExitChoice("us", AllowLan: false), isResumed: resumed));
        Assert.True(IsClosed);
    }

    [Fact]
    public void When_the_system_refuses_the_grant_nothing_goes_through()
    {
        (TunnelPeer peer, _) = AddExit("berlin", "de");
        _client.Use(new ExitChoice("de", AllowLan: false));
        _executor.RefusesApply = static change => change is TableChange;
        _client.HandleGrant(peer, Grant);
        Assert.Equal((ExitClientState.Blocked, ExitFamilies.None), (_client.State, _client.Families));
        Assert.True(IsClosed);
        _executor.RefusesApply = static _ => false;
        _time.Advance(TimeSpan.FromSeconds(11));
        _client.Tick();
        _client.HandleGrant(peer, Grant);
        Assert.Equal(ExitClientState.Connected, _client.State);
    }

    public void Dispose()
    {
        _owned.ForEach(static o => o.Dispose());
        _self.Dispose();
        _changes.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static List<ControlMessage> Heard(LinkEnd end)
    {
        return end.Messages;
    }

    private (TunnelPeer Peer, LinkEnd End) AddExit(string label, string region, TimeSpan? roundTrip = null)
    {
        PrivateKey key = PrivateKey.Generate();
        (LinkEnd mine, LinkEnd theirs) = LinkEnd.Pair(_self, key);
        mine.Peer = theirs;
        _owned.AddRange([mine, theirs, key]);
        TunnelPeer peer = _mesh.Add(key.Address);
        peer.Label = label;
        peer.FleetName = "home";
        peer.Link = mine.Link;
        peer.RoundTrip = roundTrip;
        peer.Hello = new ControlMessage { Type = ControlMessage.Hello, Exit = new ExitOfferPart(region, true, false) };
        return (peer, theirs);
    }

    private void OnChanged()
    {
        if (_seen.Count == 0 || _seen[^1] != _client.State)
        {
            _seen.Add(_client.State);
        }
    }
}

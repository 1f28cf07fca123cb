using Diode.Tunnel.Engine.Membership.DiodeL1;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Testing.DiodeL1;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership.DiodeL1;

/// <summary>Following through forks, gaps, liars and restarts. Five miners have 20 votes each: three blocks on top of each other decide.</summary>
public sealed class DiodeChainTests : IDisposable
{
    private readonly DiodeWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task Follows_block_by_block_with_six_confirmations()
    {
        FakeRelay relay = _world.AddRelay();
        Assert.Equal(1099UL, await _world.FinalAsync());
        _world.Lab.Mine(8);
        Assert.Equal(1099UL, await _world.FinalAsync());
        _world.Lab.Mine();
        Assert.Equal(1100UL, await _world.FinalAsync());
        _world.Lab.Mine(3);
        Assert.Equal(1103UL, await _world.FinalAsync());

        // What was shown once is not asked for again: 100 of the window, and each new one.
        Assert.Equal(100 + 6, relay.Asked.Count(static c => c == "getblockheader2"));
        Assert.Empty(_world.Contradicted);
    }

    [Fact]
    public async Task Asks_every_fifteen_seconds_and_sooner_when_told()
    {
        FakeRelay relay = _world.AddRelay();
        await _world.FinalAsync();
        int asked = relay.Asked.Count;
        _world.Clock.Advance(TimeSpan.FromSeconds(14));
        await _world.Chain.FollowAsync(default);
        Assert.Equal(asked, relay.Asked.Count);
        _world.Lab.Mine(9);
        relay.Tell();
        Assert.Equal(1100UL, (await _world.Chain.FollowAsync(default)).Value!.Block.Number);

        // However often it tells.
        relay.Tell();
        asked = relay.Asked.Count;
        _world.Clock.Advance(TimeSpan.FromSeconds(1));
        await _world.Chain.FollowAsync(default);
        Assert.Equal(asked, relay.Asked.Count);
    }

    [Theory]
    [InlineData(150)]
    [InlineData(1000)]
    public async Task Catches_up_over_many_blocks_with_few_headers(int blocks)
    {
        FakeRelay relay = _world.AddRelay();
        _world.Lab.Mine(blocks);
        Assert.InRange(await _world.FinalAsync(), _world.Lab.Peak.Number - 20, _world.Lab.Peak.Number - 6);
        Assert.InRange(relay.Asked.Count(static c => c == "getblockheader2"), 100, 400);
    }

    [Fact]
    public async Task Hops_where_the_miners_of_then_are_gone()
    {
        FakeRelay relay = _world.AddRelay();
        for (int i = 0; i < 4; i++)
        {
            _world.Lab.Mine(250);
            _world.Lab.ReplaceMiners(2);
        }

        _world.Lab.Mine(250);
        Assert.InRange(await _world.FinalAsync(), _world.Lab.Peak.Number - 120, _world.Lab.Peak.Number - 6);
        Assert.InRange(relay.Asked.Count, 200, 2500);
    }

    [Fact]
    public async Task A_fork_without_votes_is_refused_and_its_relay_named_when_another_one_shows_the_chain()
    {
        using DiodeLab fork = _world.Lab.Fork(1099);
        fork.Mine(40);
        FakeRelay liar = _world.AddRelay(fork);
        Assert.Equal(1099UL, await _world.FinalAsync());
        fork.Mine(80);
        EvmResult<DiodeHead> alone = await _world.FollowAsync();
        Assert.Contains("lack the votes", alone.Failure, StringComparison.Ordinal);
        Assert.Empty(_world.Contradicted);

        FakeRelay honest = _world.AddRelay();
        _world.Lab.Mine(20);
        EvmResult<DiodeHead> head = await _world.FollowAsync();
        Assert.Equal(_world.Lab.Find(head.Value!.Block.Number)!.Hash, head.Value.Block.Hash);
        Assert.Equal(1111UL, head.Value.Block.Number);
        Assert.StartsWith(liar.Name + ": its block 1111 is not the one", Assert.Single(_world.Contradicted), StringComparison.Ordinal);
        Assert.Equal([liar.Name], head.Value.Doubted);
        Assert.Equal(honest.Name, head.Value.Relays[0].Endpoint.Name);
    }

    [Fact]
    public async Task Headers_that_do_not_verify_are_refused_and_their_relay_named()
    {
        FakeRelay forger = _world.AddRelay();
        _world.AddRelay();
        await _world.FinalAsync();

        // One bit of any member: the hash or the signature does not fit then.
        forger.Edit = static (command, answer) => command == "getblockheader2" ? [.. answer[..^60], (byte)(answer[^60] ^ 1), .. answer[^59..]] : answer;
        _world.Lab.Mine(12);
        Assert.Equal(1103UL, await _world.FinalAsync());
        Assert.StartsWith(forger.Name + ": its answer to getblockheader2", Assert.Single(_world.Contradicted), StringComparison.Ordinal);
        Assert.EndsWith("does not verify", _world.Contradicted[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_parents_and_another_chain_are_refused()
    {
        using DiodeLab other = new(_world.Clock.GetUtcNow);
        FakeRelay relay = _world.AddRelay(other);
        other.Mine(20);
        Assert.Contains("block 1099 is not the trusted one", (await _world.FollowAsync()).Failure, StringComparison.Ordinal);
        relay.Lab = _world.Lab;
        Assert.Equal(1099UL, await _world.FinalAsync());
        using DiodeLab old = _world.Lab.Fork(1050);
        old.Mine(90);
        relay.Lab = old;
        Assert.Contains("do not follow from the final block 1099", (await _world.FollowAsync()).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_boast_of_blocks_that_are_not_there_holds_nobody_up()
    {
        FakeRelay boaster = _world.AddRelay();
        boaster.Edit = static (command, answer) => command == "getblockpeak" ? [0xd2, 0x88, .. "response"u8, 0x88, 0x7f, 1, 2, 3, 4, 5, 6, 7] : answer;
        FakeRelay silent = _world.AddRelay();
        silent.Edit = static (command, answer) => command == "getblockpeak" ? answer : null;
        FakeRelay none = _world.AddRelay();
        none.Edit = static (_, _) => [0xd3, 0x85, .. "error"u8, 0x8c, .. "no such here"u8];
        _world.AddRelay();
        await _world.FinalAsync();
        _world.Lab.Mine(12);
        Assert.Equal(1103UL, await _world.FinalAsync());
        Assert.Empty(_world.Contradicted);
        Assert.Equal(3, (await _world.FollowAsync()).Value!.Relays.Count);
    }

    [Fact]
    public async Task Nobody_has_the_chain()
    {
        Assert.Equal("no relay is connected", (await _world.FollowAsync()).Failure);
        FakeRelay relay = _world.AddRelay();
        relay.Edit = static (_, _) => [0xd3, 0x85, .. "error"u8, 0x8c, .. "no such here"u8];
        Assert.Equal("none of 1 relays serves Diode L1 (relay 1: no such here)", (await _world.FollowAsync()).Failure);
        relay.IsGone = true;
        Assert.Contains("not connected", (await _world.FollowAsync()).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restart_goes_on_where_it_was_and_a_damaged_file_is_set_aside()
    {
        FakeRelay relay = _world.AddRelay();
        _world.Lab.Mine(30);
        ulong final = await _world.FinalAsync();
        Assert.Equal(1121UL, final);
        _world.Restart();
        relay.Asked.Clear();
        Assert.Equal(final, await _world.FinalAsync());
        _world.Lab.Mine(30);
        await _world.FinalAsync();
        _world.Chain.Save();
        File.WriteAllText(_world.TrustedFile, "{");
        _world.Restart();
        Assert.Equal(1151UL, await _world.FinalAsync());
        Assert.Contains("its last good copy is used", Assert.Single(_world.FileProblems), StringComparison.Ordinal);
        File.WriteAllText(_world.TrustedFile, "[]");
        File.WriteAllText(_world.TrustedFile + ".last", "x");
        _world.Restart();
        Assert.Equal(1151UL, await _world.FinalAsync());
        Assert.Contains("following begins again with block 1099", _world.FileProblems[1], StringComparison.Ordinal);
        Assert.True(File.Exists(_world.TrustedFile + ".damaged"));

        // A file of another chain is worth nothing.
        using DiodeLab other = new(_world.Clock.GetUtcNow);
        relay.Lab = other;
        _world.Rules = _world.Rules with { Anchor = other.Trust(1099) };
        _world.Restart();
        Assert.Equal(1099UL, await _world.FinalAsync());
    }
}

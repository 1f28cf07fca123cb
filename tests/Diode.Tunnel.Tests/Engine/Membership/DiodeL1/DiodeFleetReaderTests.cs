using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Testing.DiodeL1;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership.DiodeL1;

public sealed class DiodeFleetReaderTests
{
    private static readonly Address[] Devices = [.. Enumerable.Range(1, 9).Select(static i => new Address([.. new byte[19], (byte)(0x40 + i)]))];

    [Fact]
    public async Task The_list_is_proven_and_a_removal_is_seen_when_its_block_is_final()
    {
        using DiodeWorld world = new();
        FakeRelay relay = world.AddRelay();
        foreach (Address device in Devices)
        {
            world.Lab.SetMember(device, true);
        }

        world.Lab.Mine(12);
        ChainFleetReading reading = await world.ReadAsync();
        Assert.Equal<IEnumerable<Address>>(Devices, reading.Devices);
        Assert.Equal((FleetAssurance.Proven, "proven (BlockQuick, block 1103)"), (reading.Assurance, reading.Text));

        // While nothing changes one account is proven for each block, and nothing where there is no new block.
        relay.Asked.Clear();
        reading = await world.ReadAsync(reading);
        Assert.Equal(["getblockpeak"], relay.Asked);
        world.Lab.Mine();
        reading = await world.ReadAsync(reading);
        Assert.DoesNotContain("getaccountvalue", relay.Asked);
        Assert.Equal(1104UL, reading.Block);

        world.Lab.SetMember(Devices[2], false);
        world.Lab.Mine(8);
        Assert.Contains(Devices[2], (reading = await world.ReadAsync(reading)).Devices);
        world.Lab.Mine();
        reading = await world.ReadAsync(reading);
        Assert.Equal(Devices.Where(static d => d != Devices[2]).Order(), reading.Devices.Order());
    }

    [Fact]
    public async Task Without_a_list_those_that_are_known_are_proven_one_by_one()
    {
        using DiodeWorld world = new(lists: false);
        FakeRelay relay = world.AddRelay();
        world.Lab.SetMember(Devices[0], true);
        world.Lab.SetMember(Devices[1], true);
        world.Lab.Mine(12);
        world.Known.Add(Devices[0]);
        ChainFleetReading reading = await world.ReadAsync();
        Assert.Equal<IEnumerable<Address>>([Devices[0]], reading.Devices);

        // Somebody new knocks; who was asked about is not asked about again.
        world.Known.AddRange([Devices[1], Devices[2]]);
        relay.Asked.Clear();
        reading = await world.ReadAsync(reading);
        Assert.Equal<IEnumerable<Address>>([Devices[0], Devices[1]], reading.Devices);
        Assert.Equal(2, relay.Asked.Count(static c => c == "getaccountvalue"));
        world.Lab.SetMember(Devices[0], false);
        world.Lab.Mine(9);
        reading = await world.ReadAsync(reading);
        Assert.Equal<IEnumerable<Address>>([Devices[1]], reading.Devices);
    }

    [Fact]
    public async Task The_destinations_of_a_name_are_proven()
    {
        using DiodeWorld world = new();
        FakeRelay relay = world.AddRelay();
        world.Lab.SetName("office-net", Devices[0], Devices[1]);
        world.Lab.Mine(12);
        ChainMembers office = new(DiodeLab.Contract, "office-net");
        world.Clock.Advance(TimeSpan.FromSeconds(15));
        EvmResult<ChainFleetReading> reading = await world.Reader.ReadAsync(office, null, false, default);
        Assert.Equal<IEnumerable<Address>>(Devices[..2], reading.Value!.Devices);
        Assert.Equal("proven (BlockQuick, block 1103)", reading.Value.Text);
        relay.Asked.Clear();
        Assert.Equal<IEnumerable<Address>>(Devices[..2], (await world.Reader.ReadAsync(office, reading.Value, false, default)).Value!.Devices);
        Assert.Empty(relay.Asked);
        world.Lab.SetName("office-net", Devices[1]);
        world.Lab.Mine(9);
        world.Clock.Advance(TimeSpan.FromSeconds(15));
        Assert.Equal([Devices[1]], (await world.Reader.ReadAsync(office, reading.Value, false, default)).Value!.Devices.ToArray());
        Assert.Empty((await world.Reader.ReadAsync(new ChainMembers(DiodeLab.Contract, "nobodys-name"), null, false, default)).Value!.Devices);
    }

    /// <summary>Every link from the header to the value: one bit of it, and nobody is let in by it.</summary>
    [Theory]
    [InlineData("getstateroots")]
    [InlineData("getaccount")]
    [InlineData("getaccountroots")]
    [InlineData("getaccountvalue")]
    public async Task A_link_that_was_tampered_with_proves_nothing(string link)
    {
        using DiodeWorld world = new();
        FakeRelay liar = world.AddRelay();
        world.Lab.SetMember(Devices[0], true);
        world.Lab.Mine(12);
        for (int place = 20; place < 700; place += 97)
        {
            int at = place;
            bool edited = false;
            liar.Edit = (command, answer) =>
            {
                if (command != link || at >= answer.Length - 1)
                {
                    return answer;
                }

                edited = true;
                byte[] changed = (byte[])answer.Clone();
                changed[^at] ^= 1;
                return changed;
            };
            world.Restart();
            world.Clock.Advance(TimeSpan.FromSeconds(15));
            EvmResult<ChainFleetReading> result = await world.Reader.ReadAsync(DiodeWorld.Fleet, null, false, default);

            // A bit that decides nothing (a prefix, which is derived) may change; what is read then is right.
            Assert.True(!edited || !result.IsOk || result.Value.Devices.SequenceEqual([Devices[0]]));
        }

        liar.Edit = (command, answer) => command == link ? [.. answer[..^20], (byte)(answer[^20] ^ 1), .. answer[^19..]] : answer;
        world.Restart();
        Assert.Contains("does not verify", await world.FailAsync(), StringComparison.Ordinal);
        Assert.Empty(world.Contradicted);

        // Another relay proves it: then the first one is to blame.
        world.AddRelay();
        world.Restart();
        Assert.Equal<IEnumerable<Address>>([Devices[0]], (await world.ReadAsync()).Devices);
        Assert.StartsWith($"{liar.Name}: its answer to {link} does not verify", Assert.Single(world.Contradicted), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_liars_own_chain_lets_nobody_in()
    {
        using DiodeWorld world = new();
        world.Lab.SetMember(Devices[0], true);
        world.Lab.Mine(12);
        using DiodeLab fork = world.Lab.Fork(1105);
        fork.SetMember(Devices[5], true);
        fork.Mine(40);
        FakeRelay liar = world.AddRelay(fork);
        ChainFleetReading reading = await world.ReadAsync();
        Assert.Equal<IEnumerable<Address>>([Devices[0]], reading.Devices);
        Assert.Equal(1103UL, reading.Block);
        world.AddRelay();
        world.Lab.Mine(20);
        reading = await world.ReadAsync(reading);
        Assert.Equal<IEnumerable<Address>>([Devices[0]], reading.Devices);
        Assert.EndsWith("; contradicted by " + liar.Name, reading.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Old_blocks_contracts_that_are_none_and_steps_back_are_refused()
    {
        using DiodeWorld world = new();
        world.AddRelay();
        world.Lab.SetMember(Devices[0], true);
        world.Lab.Mine(12);
        ChainFleetReading reading = await world.ReadAsync();
        Assert.Contains("before 1200 that was read already", await world.FailAsync(reading with { Block = 1200 }), StringComparison.Ordinal);
        EvmResult<ChainFleetReading> none = await world.Reader.ReadAsync(new ChainMembers(Devices[3]), null, false, default);
        Assert.Contains("account does not exist", none.Failure, StringComparison.Ordinal);

        // Nothing new for more than an hour: the chain stands, or somebody hides it.
        world.Clock.Advance(TimeSpan.FromMinutes(61));
        Assert.Contains("the newest block that relays can prove to be final, 1103, is of", await world.FailAsync(reading), StringComparison.Ordinal);
        world.Lab.Mine(20);
        Assert.Equal<IEnumerable<Address>>([Devices[0]], (await world.ReadAsync(reading)).Devices);
    }
}

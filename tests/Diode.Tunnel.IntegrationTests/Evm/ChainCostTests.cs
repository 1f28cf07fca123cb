using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>What it costs to stay sure of a fleet that is read through three relays, and that saving does not hide a removal.</summary>
public sealed class ChainCostTests : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan BlockTime = TimeSpan.FromSeconds(6);
    private readonly ITestOutputHelper _output;
    private readonly AnvilNode _node = new();
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly string _folder = Directory.CreateTempSubdirectory("chain-cost").FullName;
    private readonly List<IDisposable> _disposables = [];
    private readonly Address _operator;
    private readonly Address[] _members = [.. Enumerable.Range(0, 10).Select(static _ => new Address(RandomNumberGenerator.GetBytes(Address.Length)))];
    private readonly DeployedContract _fleet;

    public ChainCostTests(ITestOutputHelper output)
    {
        _output = output;
        _operator = _node.Accounts[0];
        _fleet = DeployedContract.Deploy(_node, "FleetContract", _operator, "address,address", _operator, _operator);
        _fleet.Send(_operator, "AddDeviceBatch(address[])", [_members.Cast<object>().ToArray()]);
        _node.Call("anvil_mine", "0x20");
    }

    public void Dispose()
    {
        _disposables.ForEach(static d => d.Dispose());
        _node.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Staying_sure_of_a_fleet_is_cheap()
    {
        (RelayOverNode[] polled, ChainFleetSource asking, _) = Open(tells: false);
        (RelayOverNode[] subscribed, ChainFleetSource told, _) = Open(tells: true);
        (RelayOverNode[] busy, _, ChainFleetReader thorough) = Open(tells: false);
        ChainFleetReading? last = null;
        long[] costs = new long[3];
        RelayOverNode[][] all = [polled, subscribed, busy];
        for (TimeSpan at = TimeSpan.Zero, next = TimeSpan.Zero; at < TimeSpan.FromMinutes(12); at += PollInterval)
        {
            for (; next <= at; next += BlockTime)
            {
                _node.Call("evm_mine");
                Array.ForEach(subscribed, r => r.Tell(_node.BlockNumber()));
            }

            // As it was before: everything but the list, every time.
            last = (await thorough.ReadAsync(new ChainMembers(_fleet.Address), last, isThorough: true, default)).Value;
            foreach (ChainFleetSource source in (ChainFleetSource[])[asking, told])
            {
                await source.RefreshAsync(_time.GetUtcNow(), default);
                Assert.Null(source.Problem);
            }

            // The first reading is another matter.
            costs = at == TimeSpan.Zero ? [.. all.Select(static r => -r.Sum(static x => x.Bytes))] : costs;
            _time.Advance(PollInterval);
        }

        string[] names = ["asking for the block's number", "told of blocks", "a header and a proof every time"];
        for (int i = 0; i < costs.Length; i++)
        {
            costs[i] += all[i].Sum(static r => r.Bytes);
            _output.WriteLine($"{names[i]}: {costs[i] * 5 / 1e6:0.00} MB an hour, {costs[i] * 120 / 1e6:0} MB a day");
        }

        Assert.True(costs[0] * 4 < costs[2] && costs[1] * 4 < costs[2], string.Join(' ', costs));
        Assert.Contains("nothing has changed since", told.Current!.AssuranceText, StringComparison.Ordinal);
        Assert.Contains("3 of 3 relays agree", told.Current.AssuranceText, StringComparison.Ordinal);

        // No block, no question.
        int asked = subscribed.Sum(static r => r.Asked);
        await told.RefreshAsync(_time.GetUtcNow(), default);
        Assert.Equal(asked, subscribed.Sum(static r => r.Asked));
        Assert.Equal(_time.GetUtcNow(), told.Verified);
    }

    [Fact]
    public async Task A_removal_is_seen_with_its_block_by_who_is_told_and_who_asks()
    {
        foreach (bool tells in (bool[])[true, false])
        {
            Address removed = _members[tells ? 0 : 1];
            (RelayOverNode[] relays, ChainFleetSource source, _) = Open(tells);
            await Settle(relays, source);
            _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", removed, false);
            Array.ForEach(relays, r => r.Tell(_node.BlockNumber()));
            Assert.True(await source.RefreshAsync(_time.GetUtcNow(), default));
            Assert.False(source.Current!.TryGetMember(removed, out _));
        }
    }

    /// <summary>What was written is in what is looked at next, even where the relays have not told of its block yet.</summary>
    [Fact]
    public async Task Who_looks_for_the_first_time_is_not_shown_a_block_that_was_told_before()
    {
        (RelayOverNode[] relays, ChainFleetSource source, ChainFleetReader reader) = Open(tells: true);
        await Settle(relays, source);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[0], false);
        ChainFleetReading seen = (await reader.ReadAsync(new ChainMembers(_fleet.Address), last: null, isThorough: true, default)).Value!;
        Assert.DoesNotContain(_members[0], seen.Devices);
    }

    /// <summary>The public network's fleets keep no note, and its chains give no proofs: what is left is the list, once for each block.</summary>
    [Fact]
    public async Task Where_only_the_list_can_be_asked_for_it_is_asked_for_once()
    {
        (RelayOverNode[] relays, ChainFleetSource source, _) = Open(tells: false);
        Array.ForEach(relays, static r => r.Lie = static (method, truth) => method switch
        {
            "eth_getProof" => """{"id":1,"jsonrpc":"2.0","error":{"code":-32601,"message":"no such method"}}"""u8.ToArray(),
            "eth_getStorageAt" => Encoding.ASCII.GetBytes($$"""{"id":1,"jsonrpc":"2.0","result":"0x{{new string('0', 64)}}"}"""),
            _ => truth,
        });
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.Equal(FleetAssurance.RelaysAgree, source.Current!.Assurance);
        (int asked, long bytes) = (relays.Sum(static r => r.Asked), relays.Sum(static r => r.Bytes));
        _node.Call("evm_mine");
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.Contains("nothing has changed since", source.Current.AssuranceText, StringComparison.Ordinal);
        Assert.Equal(2 * relays.Length, relays.Sum(static r => r.Asked) - asked);
        _output.WriteLine($"{_members.Length} members: {(relays.Sum(static r => r.Bytes) - bytes) * 86_400 / 6 / 1e6:0} MB a day with blocks of 6 s");

        // Another one in and one out, at once: the number stays, the list does not.
        Address other = new(RandomNumberGenerator.GetBytes(Address.Length));
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[4], false);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", other, true);
        Assert.True(await source.RefreshAsync(_time.GetUtcNow(), default));
        Assert.False(source.Current.TryGetMember(_members[4], out _));
        Assert.True(source.Current.TryGetMember(other, out _));
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[4], true);
        Assert.True(await source.RefreshAsync(_time.GetUtcNow(), default));
        Assert.Equal(_members.Length + 1, source.Current.Members.Length);
    }

    /// <summary>One relay that says nothing has changed, and one that keeps its blocks back.</summary>
    [Fact]
    public async Task A_relay_alone_hides_no_removal()
    {
        (RelayOverNode[] relays, ChainFleetSource source, _) = Open(tells: true);
        await Settle(relays, source);
        byte[]? note = null;
        relays[0].Lie = (method, truth) => method == "eth_getStorageAt" ? note ??= truth : truth;
        await Settle(relays, source);
        Assert.NotNull(note);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[0], false);
        relays[0].Tell(_node.BlockNumber());
        relays[1].Tell(_node.BlockNumber());
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.False(source.Current!.TryGetMember(_members[0], out _));

        // A session that came back has no subscription: the relay is asked at once, not after its silence.
        Array.ForEach(relays, static r => r.Reconnect());
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[1], false);
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.False(source.Current!.TryGetMember(_members[1], out _));

        // Two that fell silent for good are asked after a minute, and from then on.
        await Settle(relays, source);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[2], false);
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.True(source.Current!.TryGetMember(_members[2], out _));
        _time.Advance(TimeSpan.FromMinutes(1));
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.False(source.Current!.TryGetMember(_members[2], out _));
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[3], false);
        await source.RefreshAsync(_time.GetUtcNow(), default);
        Assert.False(source.Current!.TryGetMember(_members[3], out _));
    }

    /// <summary>
    /// By addresses each is proven, once. Through relays, which are paid, that is too much: there they are read by agreement, in pages that
    /// fit in a frame, and a liar changes nothing.
    /// </summary>
    [Fact]
    public async Task Ten_thousand_members_are_read()
    {
        Address[] many = [.. Enumerable.Range(0, 10_000).Select(static _ => new Address(RandomNumberGenerator.GetBytes(Address.Length)))];
        foreach (Address[] batch in many.Chunk(250))
        {
            _fleet.Send(_operator, "AddDeviceBatch(address[])", [batch.Cast<object>().ToArray()]);
        }

        _node.Call("anvil_mine", "0x20");
        await ReadByAddresses(many.Length);
        Address intruder = new(RandomNumberGenerator.GetBytes(Address.Length));
        (RelayOverNode[] relays, ChainFleetSource source, _) = Open(tells: true);
        relays[0].Lie = (method, truth) => method == "eth_call"
            ? Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(truth).Replace(many[^1].ToString()[2..], intruder.ToString()[2..], StringComparison.Ordinal))
            : truth;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        long started = Stopwatch.GetTimestamp();
        await Refresh(source);
        TimeSpan first = Stopwatch.GetElapsedTime(started);
        long cost = relays.Sum(static r => r.Bytes);
        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.Equal(FleetAssurance.RelaysAgree, source.Current!.Assurance);
        Assert.Equal(_members.Length + many.Length, source.Current.Members.Length);
        Assert.False(source.Current.TryGetMember(intruder, out _));
        Assert.Contains("contradicted by relay 192.0.2.1", source.Current.AssuranceText, StringComparison.Ordinal);
        _output.WriteLine($"10,010 members: {first.TotalSeconds:0.0} s, {cost / 1e6:0.0} MB, {kept / 1e6:0.0} MB kept in memory");
        Assert.InRange(kept, 0, 40_000_000);

        // Unchanged it costs what a small one does, and a removal is seen.
        relays[0].Lie = null;
        await Settle(relays, source);
        Assert.True(relays.Sum(static r => r.Bytes) - cost < 40_000, "confirming costs too much");
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", many[5_000], false);
        Array.ForEach(relays, r => r.Tell(_node.BlockNumber()));
        await Refresh(source);
        Assert.False(source.Current.TryGetMember(many[5_000], out _));
        Assert.Equal(_members.Length + many.Length - 1, source.Current.Members.Length);
    }

    // Endpoints have a few seconds for an answer; on a busy machine a large one takes longer now and then.
    private async Task Refresh(ChainFleetSource source)
    {
        for (int i = 0; i < 20; i++)
        {
            await source.RefreshAsync(_time.GetUtcNow(), default);
            if (source.Problem is null)
            {
                return;
            }

            _output.WriteLine(source.Problem);
        }

        Assert.Null(source.Problem);
    }

    private async Task ReadByAddresses(int count)
    {
        using ChainReaders chains = new([new ChainAccess("av", 31337, [_node.Endpoint, new Uri(_node.Endpoint, "?2")])], 2, _time, static (_, _) => { });
        ChainFleetSource source = new(
            "av", new ChainMembers(_fleet.Address), "test", chains.ReaderOf(chains.Find("av")!), _folder, static (_, _) => { }, TimeSpan.FromHours(1));
        long started = Stopwatch.GetTimestamp();
        await Refresh(source);
        TimeSpan first = Stopwatch.GetElapsedTime(started);
        Assert.Equal((FleetAssurance.Proven, _members.Length + count), (source.Current!.Assurance, source.Current.Members.Length));
        _node.Call("evm_mine");
        started = Stopwatch.GetTimestamp();
        await Refresh(source);
        _output.WriteLine($"{source.Current.Members.Length} members proven in {first.TotalSeconds:0.0} s, confirmed in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:0} ms");
    }

    private async Task Settle(RelayOverNode[] relays, ChainFleetSource source)
    {
        for (int i = 0; i < 3; i++)
        {
            _node.Call("anvil_mine", "0x10");
            Array.ForEach(relays, r => r.Tell(_node.BlockNumber()));
            await source.RefreshAsync(_time.GetUtcNow(), default);
        }

        Assert.Contains("nothing has changed since", source.Current!.AssuranceText, StringComparison.Ordinal);
    }

    private (RelayOverNode[] Relays, ChainFleetSource Source, ChainFleetReader Reader) Open(bool tells)
    {
        RelayOverNode[] relays = [.. Enumerable.Range(1, 3).Select(i => new RelayOverNode(i, _node.Endpoint) { Tells = tells })];
        ChainReaders chains = new([], 2, _time, static (_, _) => { });
        _disposables.AddRange([.. relays, chains]);
        chains.SetRelays(relays);
        ChainFleetReader reader = chains.ReaderOf(chains.Find("av")!);
        return (relays, new ChainFleetSource("av", new ChainMembers(_fleet.Address), "test", reader, _folder, static (_, _) => { }, TimeSpan.FromHours(1)), reader);
    }
}

using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>Who is admitted by what several endpoints say about a contract on a real node, some of them lying.</summary>
public sealed class ChainFleetTests : IDisposable
{
    private const string CountSelector = "0x99814714";
    private const string ListSelector = "0x485582d6";
    private static readonly TimeSpan Staleness = TimeSpan.FromHours(1);
    private readonly ITestOutputHelper _output;
    private readonly AnvilNode _node = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("chain-fleet").FullName;
    private readonly List<IDisposable> _disposables = [];
    private readonly Address _operator;
    private readonly Address[] _members = Devices(5);
    private readonly Address _intruder = Devices(1)[0];
    private readonly DeployedContract _fleet;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly List<string> _doubted = [];
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch.AddDays(20_000);

    public ChainFleetTests(ITestOutputHelper output)
    {
        _output = output;
        _operator = _node.Accounts[0];
        _fleet = DeployedContract.Deploy(_node, "FleetContract", _operator, "address,address", _operator, _operator);
        _fleet.Send(_operator, "AddDeviceBatch(address[])", [_members.Cast<object>().ToArray()]);
    }

    public void Dispose()
    {
        _disposables.ForEach(static d => d.Dispose());
        _node.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Two_agreeing_endpoints_and_proofs_admit()
    {
        ChainFleetSource source = Source(2, Honest(), Honest());
        Assert.True(await source.RefreshAsync(_now, default));
        AssertMembers(source, FleetAssurance.Proven, "on which 2 of 2 endpoints agree");
        Assert.Equal(_now + Staleness, source.Current!.Expires);

        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[1], false);
        _now += TimeSpan.FromSeconds(2);
        Assert.True(await source.RefreshAsync(_now, default));
        Assert.False(source.Current.TryGetMember(_members[1], out _));
        Assert.Equal(4, source.Current.Members.Length);
    }

    [Fact]
    public async Task One_endpoint_is_enough_only_if_the_user_says_so()
    {
        ChainFleetSource strict = Source(2, Honest());
        Assert.False(await strict.RefreshAsync(_now, default));
        Assert.Null(strict.Current);
        Assert.Contains("1 of 1 endpoints answer, 2 have to", strict.Problem, StringComparison.Ordinal);
        ChainFleetSource trusting = Source(1, Honest());
        Assert.True(await trusting.RefreshAsync(_now, default));
        AssertMembers(trusting, FleetAssurance.OneRelay, "one endpoint");
    }

    [Fact]
    public async Task Chains_without_proofs_are_read_by_agreement()
    {
        ChainFleetSource source = Source(2, WithoutProofs(Honest()), WithoutProofs(Honest()), WithoutProofs(Intruding()));
        Assert.True(await source.RefreshAsync(_now, default));
        AssertMembers(source, FleetAssurance.RelaysAgree, "2 of 3 endpoints agree", "contradicted by liar");
    }

    [Fact]
    public async Task A_liar_does_not_get_its_device_in()
    {
        // With proofs; as the majority's list; with a block of its own; with a higher block; alone beside a dead one.
        ChainFleetSource proven = Source(2, Intruding(), Honest(), Honest());
        Assert.True(await proven.RefreshAsync(_now, default));
        AssertMembers(proven, FleetAssurance.Proven, "contradicted by liar");

        ChainFleetSource outvoted = Source(2, Intruding(), Intruding(), Honest());
        Assert.True(await outvoted.RefreshAsync(_now, default));
        AssertMembers(outvoted, FleetAssurance.Proven);

        ChainFleetSource forked = Source(2, Forging(), Honest(), Honest());
        Assert.True(await forked.RefreshAsync(_now, default));
        AssertMembers(forked, FleetAssurance.Proven, "2 of 3");

        ChainFleetSource boasting = Source(2, Boasting(), Honest(), Honest());
        Assert.True(await boasting.RefreshAsync(_now, default));
        AssertMembers(boasting, FleetAssurance.Proven);

        ChainFleetSource beside = Source(2, WithoutProofs(Intruding()), WithoutProofs(Honest()), Silent());
        Assert.True(await beside.RefreshAsync(_now, default));
        AssertMembers(beside, FleetAssurance.RelaysAgree);

        ChainFleetSource alone = Source(2, Intruding(), Silent(), Silent());
        Assert.False(await alone.RefreshAsync(_now, default));
        Assert.Null(alone.Current);
    }

    /// <summary>Who was contradicted is named for as long as its word does not count, and asked again later.</summary>
    [Fact]
    public async Task A_liar_is_demoted_for_some_time()
    {
        int asked = 0;
        IJsonRpcTransport liar = new TamperingTransport(Intruding(), "liar", (_, _, told) =>
        {
            asked++;
            return told;
        });
        ChainFleetSource source = Source(2, liar, Honest(), Honest());
        Assert.True(await source.RefreshAsync(_now, default));
        AssertMembers(source, FleetAssurance.Proven, "3 of 3 endpoints agree", "contradicted by liar");
        Assert.StartsWith("liar: a proof contradicted", Assert.Single(_doubted), StringComparison.Ordinal);
        int before = asked;
        _node.Call("evm_mine");
        await source.RefreshAsync(_now, default);
        AssertMembers(source, FleetAssurance.Proven, "2 of 3 endpoints agree", "contradicted by liar");
        Assert.Equal(before, asked);
        _time.Advance(TimeSpan.FromMinutes(11));
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[0], false);
        await source.RefreshAsync(_now, default);
        Assert.True(asked > before);
        Assert.Equal(2, _doubted.Count);
        Assert.False(source.Current!.TryGetMember(_intruder, out _));
    }

    [Fact]
    public async Task Who_always_has_another_block_is_demoted_at_the_third_time()
    {
        using AnvilNode fork = new();
        HttpJsonRpcTransport http = new(fork.Endpoint, TimeSpan.FromSeconds(10));
        _disposables.Add(http);
        for (ulong block = 0; block < _node.BlockNumber(); block++)
        {
            fork.Call("evm_mine");
        }

        ChainFleetSource source = Source(2, new TamperingTransport(http, "fork", static (_, _, told) => told), Honest(), Honest());
        for (int i = 1; i <= 3; i++)
        {
            Assert.Empty(_doubted);
            _node.Call("evm_mine");
            fork.Call("evm_mine");
            await source.RefreshAsync(_now, default);
            AssertMembers(source, FleetAssurance.Proven, "2 of 3 endpoints agree", "another block at fork");
        }

        Assert.StartsWith("fork: it has another block", Assert.Single(_doubted), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_who_contradict_each_other_demote_nobody()
    {
        ChainFleetSource source = Source(2, WithoutProofs(Intruding()), WithoutProofs(Honest()));
        await source.RefreshAsync(_now, default);
        Assert.False(source.Current is { } known && known.TryGetMember(_intruder, out _));
        Assert.Empty(_doubted);
    }

    [Fact]
    public async Task A_liar_does_not_keep_a_removed_device_in()
    {
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[0], false);
        Address removed = _members[0];
        ChainFleetSource source = Source(2, Listing(removed), Honest(), Honest());
        Assert.True(await source.RefreshAsync(_now, default));
        Assert.Equal(4, source.Current!.Members.Length);
        Assert.False(source.Current.TryGetMember(removed, out _));
    }

    /// <summary>Neither thousands of invented devices nor slowness keeps the true members out.</summary>
    [Fact]
    public async Task A_liar_does_not_crowd_out_the_members()
    {
        Address[] invented = Devices(30_000);
        IJsonRpcTransport flooding = new TamperingTransport(Http(), "flooder", (method, parameters, truth) =>
        {
            string data = method == "eth_call" ? parameters[0]!["data"]!.GetValue<string>() : "";
            if (data.StartsWith(CountSelector, StringComparison.Ordinal))
            {
                truth["result"] = "0x" + invented.Length.ToString("x64", null);
            }
            else if (data.StartsWith(ListSelector, StringComparison.Ordinal))
            {
                object[] range = AbiText.Decode("uint256,uint256", Convert.FromHexString(data[10..]));
                truth["result"] = DeployedContract.Hex(AbiText.Encode(
                    "address[]", invented.Skip((int)(System.Numerics.BigInteger)range[0]).Take((int)(System.Numerics.BigInteger)range[1]).Cast<object>().ToArray() as object));
            }

            return truth;
        });
        ChainFleetSource source = Source(2, flooding, Honest(), Honest());
        long started = Stopwatch.GetTimestamp();
        Assert.True(await source.RefreshAsync(_now, default));
        AssertMembers(source, FleetAssurance.Proven);
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        _output.WriteLine($"{invented.Length} invented devices cost {took.TotalSeconds:0.0} s");
        Assert.True(took < TimeSpan.FromSeconds(8), $"took {took}");
    }

    [Fact]
    public async Task Old_proofs_of_an_old_state_are_refused()
    {
        JsonNode? old = null;
        IJsonRpcTransport replaying = new TamperingTransport(Http(), "replayer", (method, _, truth) =>
        {
            if (method == "eth_getProof")
            {
                old ??= truth["result"]!.DeepClone();
                truth["result"] = old.DeepClone();
            }

            return truth;
        });
        ChainFleetSource source = Source(2, replaying, replaying);
        Assert.True(await source.RefreshAsync(_now, default) || source.Problem is not null);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[0], false);
        _now += TimeSpan.FromMinutes(1);
        await source.RefreshAsync(_now, default);
        Assert.True(source.Current is null || source.Current.Assurance != FleetAssurance.Proven || !source.Current.TryGetMember(_members[0], out _));
    }

    [Fact]
    public async Task Last_reading_outlives_the_chain_and_a_restart_until_it_is_stale()
    {
        bool isUp = true;
        IJsonRpcTransport[] endpoints = [.. Enumerable.Range(0, 2).Select(_ => new TamperingTransport(Http(), "e", (_, _, truth) => isUp ? truth : null))];
        ChainFleetSource source = Source(2, endpoints);
        Assert.True(await source.RefreshAsync(_now, default));
        source.Save(_now);
        isUp = false;
        DateTimeOffset verified = _now;
        _now += TimeSpan.FromSeconds(5);
        Assert.False(await source.RefreshAsync(_now, default));
        Assert.Equal(FleetAssurance.Proven, source.Current!.Assurance);
        _now += TimeSpan.FromMinutes(10);
        Assert.True(await source.RefreshAsync(_now, default));
        AssertMembers(source, FleetAssurance.Cached, "cached at", "0 of 2 endpoints answer");
        Assert.Equal(verified + Staleness, source.Current.Expires);
        Assert.True(source.Current.IsExpired(verified + Staleness));

        List<string> problems = [];
        ChainFleetSource restarted = Assert.Single(ChainFleetSource.Load(_folder, _ => Reader(2, endpoints), Write, Staleness, problems));
        AssertMembers(restarted, FleetAssurance.Cached, "cached at");
        Assert.Equal(verified + Staleness, restarted.Current!.Expires);
        isUp = true;
        Assert.True(await restarted.RefreshAsync(_now, default));
        AssertMembers(restarted, FleetAssurance.Proven);
        Assert.Empty(problems);

        File.WriteAllText(Path.Combine(_folder, Devices(1)[0] + ChainFleetSource.Suffix), "{");
        Assert.Single(ChainFleetSource.Load(_folder, _ => null, Write, Staleness, problems));
        Assert.Single(problems);
    }

    /// <summary>What is only verified, or refused this device, or was left, is not there after a restart.</summary>
    [Fact]
    public async Task Nothing_is_kept_of_a_fleet_that_was_not_joined()
    {
        ChainFleetSource source = Source(2, Honest(), Honest());
        Assert.True(await source.RefreshAsync(_now, default));
        Assert.Empty(Directory.GetFiles(_folder));
        source.Save(_now);
        Assert.Single(ChainFleetSource.Load(_folder, _ => null, Write, Staleness, []));
        source.Delete();
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _members[1], false);
        Assert.True(await source.RefreshAsync(_now + TimeSpan.FromMinutes(2), default));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Wrong_addresses_and_wrong_chains_are_told()
    {
        ChainFleetSource account = Source(2, _node.Accounts[4], Honest(), Honest());
        Assert.False(await account.RefreshAsync(_now, default));
        Assert.Contains("there is no contract at", account.Problem, StringComparison.Ordinal);
        DeployedContract other = DeployedContract.Deploy(_node, "StakeToken", _operator, "uint256", 1);
        ChainFleetSource token = Source(2, other.Address, Honest(), Honest());
        Assert.False(await token.RefreshAsync(_now, default));
        Assert.NotNull(token.Problem);
        Assert.Null(token.Current);
        ChainFleetSource foreign = new(
            "glmr", new ChainMembers(_fleet.Address), "foreign", Reader(2, [Honest(), Honest()], 1284), _folder, Write, Staleness);
        Assert.False(await foreign.RefreshAsync(_now, default));
        Assert.Null(foreign.Current);
        ChainFleetSource garbage = Source(2, Garbling(), Garbling(), Garbling());
        Assert.False(await garbage.RefreshAsync(_now, default));
        Assert.Null(garbage.Current);
    }

    /// <summary>Perimeter before name service before their own word; what one endpoint makes up is no name.</summary>
    [Fact]
    public async Task Devices_are_called_as_the_chain_calls_them()
    {
        Address self = _members[0];
        DeployedContract perimeter = DeployedContract.Deploy(_node, "Perimeter", _operator, "address,string", _operator, "office");
        DeployedContract bns = DeployedContract.Deploy(_node, "BNS", _operator);
        perimeter.Send(_operator, "AddDeviceBatch(address[])", [_members.Cast<object>().ToArray()]);
        const string create = "createDevice(address,string,string,string,string)";
        perimeter.Send(_operator, create, self, "My Laptop", "", "", "");
        perimeter.Send(_operator, create, _members[1], "Büro: 2. Stock", "", "", "");
        const string register = "RegisterMultiple(string,address[])";
        bns.Send(_operator, register, "the-printer", new object[] { _members[1], _members[2] });
        bns.Send(_operator, register, "moved-away", new object[] { _members[3] });
        bns.Send(_operator, "RegisterReverse(address,string)", _members[1], "the-printer");
        bns.Send(_operator, "RegisterReverse(address,string)", _members[2], "the-printer");
        bns.Send(_operator, "RegisterReverse(address,string)", _members[3], "moved-away");
        bns.Send(_operator, register, "moved-away", new object[] { _operator });
        string naming = DeployedContract.Hex(DeployedContract.Encode("ResolveReverse(address)", _members[4]))[..10];
        IJsonRpcTransport liar = new TamperingTransport(Http(), "liar", (method, parameters, truth) =>
        {
            if (method == "eth_call" && parameters[0]!["data"]!.GetValue<string>().StartsWith(naming, StringComparison.Ordinal))
            {
                truth["result"] = DeployedContract.Hex(AbiText.Encode("string", "the-laptop"));
            }

            return truth;
        });
        ChainFleetSource source = Source(2, perimeter.Address, liar, Honest(), Honest());
        source.SetClaimedNames(new Dictionary<Address, string> { [self] = "other", [_members[3]] = "host.Example", [_members[4]] = "my-laptop" });
        Assert.True(await source.RefreshAsync(_now, default));
        source.Save(_now);
        await source.RefreshNamesAsync(bns.Address, self, _now, default);
        await source.RefreshAsync(_now, default);
        string[] expected = ["my-laptop", "b-ro-2-stock", "the-printer", "host-example", "d" + _members[4].ToString()[2..]];
        Assert.Equal(expected, _members.Select(m => source.Current!.TryGetMember(m, out FleetMember? member) ? member.Label : ""));

        // After a restart without the chain the names are still there.
        ChainFleetSource restarted = Assert.Single(ChainFleetSource.Load(_folder, _ => null, Write, Staleness, []));
        Assert.True(restarted.Current!.TryGetLabel("the-printer", out FleetMember? printer));
        Assert.Equal(_members[2], printer.Device);
    }

    private static Address[] Devices(int count) =>
        [.. Enumerable.Range(0, count).Select(static _ => new Address(RandomNumberGenerator.GetBytes(Address.Length)))];

    private static void Write(string path, ReadOnlySpan<byte> content) => File.WriteAllBytes(path, content.ToArray());

    private static TamperingTransport WithoutProofs(IJsonRpcTransport inner) => new(inner, inner.Name, static (method, _, truth) =>
        method == "eth_getProof" ? Refuse(truth) : truth);

    private static JsonObject Refuse(JsonNode truth) => new()
    {
        ["jsonrpc"] = "2.0",
        ["id"] = truth["id"]!.DeepClone(),
        ["error"] = new JsonObject { ["code"] = -32601, ["message"] = "no such method" },
    };

    private void AssertMembers(ChainFleetSource source, FleetAssurance assurance, params string[] texts)
    {
        FleetSnapshot snapshot = source.Current!;
        Assert.Equal(assurance, snapshot.Assurance);
        Assert.All(texts, text => Assert.Contains(text, snapshot.AssuranceText, StringComparison.Ordinal));
        Assert.Equal(_members.Order(), snapshot.Members.Select(static m => m.Device).Order());
        Assert.False(snapshot.TryGetMember(_intruder, out _));
    }

    private HttpJsonRpcTransport Http()
    {
        HttpJsonRpcTransport http = new(_node.Endpoint, TimeSpan.FromSeconds(10));
        _disposables.Add(http);
        return http;
    }

    private HttpJsonRpcTransport Honest() => Http();

    private TamperingTransport Silent() => new(Http(), "silent", static (_, _, _) => null);

    private TamperingTransport Garbling() => new(Http(), "garbler", static (method, _, truth) =>
    {
        truth["result"] = method == "eth_chainId" ? truth["result"]!.DeepClone() : new JsonArray { 1, "x" };
        return truth;
    });

    private TamperingTransport Intruding() => Listing(_intruder);

    // Adds a device to every list.
    private TamperingTransport Listing(Address device) => new(Http(), "liar", (method, parameters, truth) =>
    {
        string data = method == "eth_call" ? parameters[0]!["data"]!.GetValue<string>() : "";
        if (data.StartsWith(CountSelector, StringComparison.Ordinal))
        {
            long count = Convert.ToInt64(truth["result"]!.GetValue<string>(), 16);
            truth["result"] = "0x" + (count + 1).ToString("x64", null);
        }
        else if (data.StartsWith(ListSelector, StringComparison.Ordinal))
        {
            object[] list = (object[])AbiText.Decode("address[]", Convert.FromHexString(truth["result"]!.GetValue<string>()[2..]))[0];
            truth["result"] = DeployedContract.Hex(AbiText.Encode("address[]", list.Append(device).ToArray() as object));
        }

        return truth;
    });

    // Tells headers with another state root, and what hash they would have is not asked: it can't know one that others agree on.
    private TamperingTransport Forging() => new(Http(), "forger", static (method, _, truth) =>
    {
        if (method == "eth_getBlockByNumber" && truth["result"] is JsonObject block)
        {
            block["stateRoot"] = "0x" + new string('7', 64);
        }

        return truth;
    });

    private TamperingTransport Boasting() => new(Http(), "boaster", static (method, _, truth) =>
    {
        if (method == "eth_blockNumber")
        {
            truth["result"] = "0xffffff";
        }

        return truth;
    });

    private ChainFleetSource Source(int quorum, params IJsonRpcTransport[] endpoints) => Source(quorum, _fleet.Address, endpoints);

    private ChainFleetSource Source(int quorum, Address contract, params IJsonRpcTransport[] endpoints) =>
        new("av", new ChainMembers(contract), "test", Reader(quorum, endpoints), _folder, Write, Staleness);

    private ChainFleetReader Reader(int quorum, IJsonRpcTransport[] transports, ulong chain = 31337)
    {
        ChainEndpoint[] endpoints = [.. transports.Select(t => new ChainEndpoint(t.Name, Client(t, chain)))];
        return new ChainFleetReader(() => endpoints, quorum, new EndpointStandings(_time) { Doubted = (e, reason) => _doubted.Add($"{e.Name}: {reason}") });
    }

    private EvmClient Client(IJsonRpcTransport transport, ulong chain)
    {
        JsonRpcClient rpc = new(chain, [transport]);
        _disposables.Add(rpc);
        return new EvmClient(rpc);
    }
}

using System.Security.Cryptography;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>A name with several destinations as a fleet, read through relays from a real node.</summary>
public sealed class ChainNameFleetTests : IDisposable
{
    private const string Register = "RegisterMultiple(string,address[])";
    private const string Name = "office-net";
    private readonly AnvilNode _node = new();
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly string _folder = Directory.CreateTempSubdirectory("chain-name").FullName;
    private readonly List<IDisposable> _disposables = [];
    private readonly Address _owner;
    private readonly Address[] _members = Devices(20);
    private readonly DeployedContract _bns;

    public ChainNameFleetTests()
    {
        _owner = _node.Accounts[0];
        _bns = DeployedContract.Deploy(_node, "BNS", _owner);
        Give(_members);
    }

    public void Dispose()
    {
        _disposables.ForEach(static d => d.Dispose());
        _node.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Destinations_are_proven_members_until_the_name_says_otherwise()
    {
        ChainFleetSource source = Source(Relays(3));
        Assert.True(await source.RefreshAsync(Now, default));
        AssertMembers(source, FleetAssurance.Proven, _members);
        Assert.Contains("proven at block", source.Current!.AssuranceText, StringComparison.Ordinal);
        Assert.True(source.Current.IsName);
        Assert.Equal(Name, source.Current.Name);
        source.Save(Now);

        // Other names change the contract, too.
        _bns.Send(_owner, Register, "another-name", new object[] { _owner });
        await source.RefreshAsync(Now, default);
        AssertMembers(source, FleetAssurance.Proven, _members);

        Give(_members[1..]);
        Assert.True(await source.RefreshAsync(Now, default));
        AssertMembers(source, FleetAssurance.Proven, _members[1..]);

        // A restart without the chain: the members are known, and that it is a name.
        ChainFleetSource restarted = Assert.Single(ChainFleetSource.Load(_folder, static _ => null, Write, TimeSpan.FromHours(1), []));
        AssertMembers(restarted, FleetAssurance.Cached, _members[1..]);
        Assert.Equal(source.Members, restarted.Members);
        Assert.True(restarted.Current!.IsName);

        // One destination, then none: whoever gives the name back lets nobody in.
        Give(_members[2]);
        await source.RefreshAsync(Now, default);
        AssertMembers(source, FleetAssurance.Proven, _members[2]);
        _bns.Send(_owner, "Unregister(string)", Name);
        Assert.True(await source.RefreshAsync(Now, default));
        AssertMembers(source, FleetAssurance.Proven);
    }

    /// <summary>A chain without proofs, and a relay that lets its own device in.</summary>
    [Fact]
    public async Task Without_proofs_one_relay_neither_adds_nor_keeps_a_device()
    {
        Address intruder = Devices(1)[0];
        RelayOverNode[] relays = Relays(3);
        byte[] refusal = JsonRpcMessages.WriteReply(1, JsonRpcReply.FromError("""{"code":-32601,"message":"no such method"}"""u8.ToArray()));
        Array.ForEach(relays, r => r.Lie = (method, truth) => method == "eth_getProof" ? refusal : truth);
        relays[0].Lie = (method, truth) => method switch
        {
            "eth_getProof" => refusal,

            // The last destination of every answer becomes the intruder's.
            "eth_call" => Replace(truth, _members[^1], intruder),
            _ => truth,
        };
        ChainFleetSource source = Source(relays);
        Assert.True(await source.RefreshAsync(Now, default));
        AssertMembers(source, FleetAssurance.RelaysAgree, _members);
        Assert.Contains("2 of 3 relays agree", source.Current!.AssuranceText, StringComparison.Ordinal);
        Assert.Contains("contradicted by relay 192.0.2.1", source.Current.AssuranceText, StringComparison.Ordinal);
        Give(_members[..^1]);
        await source.RefreshAsync(Now, default);
        AssertMembers(source, FleetAssurance.RelaysAgree, _members[..^1]);
    }

    [Fact]
    public async Task What_is_no_name_service_is_told()
    {
        DeployedContract token = DeployedContract.Deploy(_node, "StakeToken", _owner, "uint256", 1);
        ChainFleetSource source = Source(Relays(2), token.Address);
        await source.RefreshAsync(Now, default);
        Assert.True(source.Current is null || source.Current.Members.IsEmpty);
    }

    [Theory]
    [InlineData("office-net.diode", null, "office-net")]
    [InlineData("glmr:Office-Net.diode", "glmr", "office-net")]
    [InlineData("short.diode", null, null)]
    [InlineData("laptop.office-net.diode", null, null)]
    [InlineData("office-net", null, null)]
    public void A_name_is_told_from_other_texts(string text, string? chain, string? name)
    {
        Assert.Equal(name is not null, ChainFleetId.TryParse(text, out ChainFleetId id));
        Assert.Equal((chain, name), (id.Chain, id.Name));
    }

    private DateTimeOffset Now => _time.GetUtcNow();

    private static Address[] Devices(int count) =>
        [.. Enumerable.Range(0, count).Select(static _ => new Address(RandomNumberGenerator.GetBytes(Address.Length)))];

    private static void Write(string path, ReadOnlySpan<byte> content) => File.WriteAllBytes(path, content.ToArray());

    private static byte[] Replace(byte[] text, Address what, Address by) =>
        System.Text.Encoding.ASCII.GetBytes(System.Text.Encoding.ASCII.GetString(text).Replace(what.ToString()[2..], by.ToString()[2..], StringComparison.Ordinal));

    private static void AssertMembers(ChainFleetSource source, FleetAssurance assurance, params Address[] members)
    {
        Assert.Null(source.Problem);
        Assert.Equal(assurance, source.Current!.Assurance);
        Assert.Equal(members.Order(), source.Current.Members.Select(static m => m.Device).Order());
    }

    private void Give(params Address[] devices)
    {
        _bns.Send(_owner, Register, Name, devices.Cast<object>().ToArray() as object);
    }

    private RelayOverNode[] Relays(int count)
    {
        RelayOverNode[] relays = [.. Enumerable.Range(1, count).Select(i => new RelayOverNode(i, _node.Endpoint))];
        _disposables.AddRange(relays);
        return relays;
    }

    private ChainFleetSource Source(RelayOverNode[] relays, Address? contract = null)
    {
        ChainReaders chains = new([], 2, _time, static (_, _) => { });
        _disposables.Add(chains);
        chains.SetRelays(relays);
        return new ChainFleetSource(
            "av", new ChainMembers(contract ?? _bns.Address, Name), Name, chains.ReaderOf(chains.Find("av")!), _folder, Write, TimeSpan.FromHours(1));
    }
}

using System.Numerics;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class ExitDirectoryContractTests : IDisposable
{
    private const string Register = "Register(string,uint8,string,uint64)";
    private const string Exit = "(address,string,uint8,string,uint64)";
    private const string List = "List(string,uint256,uint256)";
    private readonly AnvilNode _node = new();
    private readonly DeployedContract _directory;

    public ExitDirectoryContractTests()
    {
        _directory = DeployedContract.Deploy(_node, "ExitDirectory", _node.Accounts[0]);
    }

    public void Dispose() => _node.Dispose();

    [Fact]
    public void Anybody_lists_its_own_exit_and_regions_are_enumerable()
    {
        (Address a, Address b, Address c) = (_node.Accounts[1], _node.Accounts[2], _node.Accounts[3]);
        _directory.Send(a, Register, "de", 3, "https://a.example/policy", 3600);
        _directory.Send(b, Register, "de", 1, "", 3600);
        _directory.Send(c, Register, "us-west", 2, "", 3600);
        Assert.Equal(["de", "us-west"], _directory.List<string>("Regions()", "string"));
        Assert.Equal(2, _directory.Number("Count(string)", "de"));
        object[] entry = (object[])_directory.Read("Get(address)", Exit, a)[0];
        Assert.Equal([a, "de", new BigInteger(3), "https://a.example/policy", new BigInteger(_node.BlockTime() - 2 + 3600)], Near(entry));
        Assert.Equal([a, b], Devices("de", 0, 10));
        Assert.Equal([b], Devices("de", 1, 1));
        Assert.Empty(Devices("de", 2, 10));
        Assert.Empty(Devices("fr", 0, 10));
        Assert.Equal([b], _directory.List<object[]>(List, Exit, "de", 1, (BigInteger.One << 256) - 1).Select(static e => (Address)e[0]));

        // A second entry replaces the first; the last of a region takes the region with it.
        _directory.Send(c, Register, "de", 3, "", 3600);
        Assert.Equal(["de"], _directory.List<string>("Regions()", "string"));
        _directory.Send(a, "Unregister()");
        Assert.Equal(new[] { b, c }.Order(), Devices("de", 0, 10).Order());
        Assert.Equal(Address.Zero, ((object[])_directory.Read("Get(address)", Exit, a)[0])[0]);
        Assert.Equal(1, _directory.Number("Version()"));
    }

    [Fact]
    public void Entries_end_unless_renewed()
    {
        (Address a, Address b) = (_node.Accounts[1], _node.Accounts[2]);
        _directory.Send(a, Register, "de", 3, "", 3600);
        _directory.Send(b, Register, "de", 3, "", 3600);
        _node.Advance(TimeSpan.FromMinutes(50));
        _directory.Send(b, "Renew(uint64)", 7200);
        _directory.Refuses("Only ended entries can be cleared away", b, "Prune(address)", a);
        _node.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal([b], Devices("de", 0, 10));
        Assert.Equal(Address.Zero, ((object[])_directory.Read("Get(address)", Exit, a)[0])[0]);
        _directory.Send(b, "Prune(address)", a);
        Assert.Equal(1, _directory.Number("Count(string)", "de"));
        _directory.Refuses("Only ended entries can be cleared away", b, "Prune(address)", a);
        _directory.Refuses("This address lists no exit", a, "Renew(uint64)", 60);
        _directory.Refuses("This address lists no exit", a, "Unregister()");
    }

    [Theory]
    [InlineData("d", 3, 0, 60, "Regions have 2 to 16 characters")]
    [InlineData("abcdefghabcdefgha", 3, 0, 60, "Regions have 2 to 16 characters")]
    [InlineData("DE", 3, 0, 60, "Regions can only contain: [0-9a-z-]")]
    [InlineData("d_e", 3, 0, 60, "Regions can only contain: [0-9a-z-]")]
    [InlineData("de", 0, 0, 60, "Address families: 1 IPv4, 2 IPv6, 3 both")]
    [InlineData("de", 4, 0, 60, "Address families: 1 IPv4, 2 IPv6, 3 both")]
    [InlineData("de", 3, 257, 60, "The policy URL must be within 256 characters")]
    [InlineData("de", 3, 256, 0, "The lifetime must be within 30 days")]
    [InlineData("de", 3, 256, 2592001, "The lifetime must be within 30 days")]
    public void Entries_that_make_no_sense_are_refused(string region, int families, int urlLength, int lifetime, string reason)
    {
        _directory.Refuses(reason, _node.Accounts[1], Register, region, families, new string('u', urlLength), lifetime);
    }

    private Address[] Devices(string region, int offset, int limit) =>
        [.. _directory.List<object[]>(List, Exit, region, offset, limit).Select(static e => (Address)e[0])];

    // Blocks may be a second apart.
    private object[] Near(object[] entry)
    {
        BigInteger expected = new(_node.BlockTime() - 2 + 3600);
        return [.. entry[..4], BigInteger.Abs((BigInteger)entry[4] - expected) <= 3 ? expected : entry[4]];
    }
}

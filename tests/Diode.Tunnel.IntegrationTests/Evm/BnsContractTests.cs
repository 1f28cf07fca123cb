using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class BnsContractTests(AnvilNode node) : IClassFixture<AnvilNode>
{
    private const string NotYours = "This name is not registered by you, or it's lease has ended";
    private const string Entry = "(address,address,string,address[],string[],uint256,uint256)";
    private readonly DeployedContract _bns = DeployedContract.Deploy(node, "BNS", node.Accounts[0]);
    private readonly Address _owner = node.Accounts[0];
    private readonly Address _other = node.Accounts[1];
    private readonly Address _first = node.Accounts[3];
    private readonly Address _second = node.Accounts[4];

    [Theory]
    [InlineData("", "Names must be longer than 7 characters")]
    [InlineData("abcdefg", "Names must be longer than 7 characters")]
    [InlineData("abcdefghabcdefghabcdefghabcdefgha", "Names must be within 32 characters")]
    [InlineData("-abcdefgh", "Names can't start or end with '-'")]
    [InlineData("abcdefgh-", "Names can't start or end with '-'")]
    [InlineData("Abcdefgh", "Names can only contain: [0-9a-z-]")]
    [InlineData("abc.defgh", "Names can only contain: [0-9a-z-]")]
    [InlineData("abcdefg\u00fc", "Names can only contain: [0-9a-z-]")]
    [InlineData("abc`defgh", "Names can only contain: [0-9a-z-]")]
    [InlineData("abc{defgh", "Names can only contain: [0-9a-z-]")]
    [InlineData("abc/defgh", "Names can only contain: [0-9a-z-]")]
    [InlineData("abc:defgh", "Names can only contain: [0-9a-z-]")]
    public void Names_that_break_the_rules_are_refused(string name, string reason)
    {
        _bns.Refuses(reason, _owner, "Convert(string)", name);
        _bns.Refuses(reason, _owner, "Register(string,address)", name, _first);
        _bns.Refuses(reason, _owner, "Resolve(string)", name);
    }

    [Fact]
    public void Names_have_one_owner_and_up_to_128_destinations()
    {
        Assert.Equal(321, _bns.Number("Version()"));
        Assert.Equal(Keccak256.Hash(Encoding.ASCII.GetBytes("my-server")), _bns.Get<Hash256>("Convert(string)", "bytes32", "my-server"));
        _bns.Refuses("A name needs a destination", _owner, "RegisterMultiple(string,address[])", "my-server", Array.Empty<object>());
        _bns.Refuses(
            "A name has at most 128 destinations", _owner, "RegisterMultiple(string,address[])", "my-server", Enumerable.Repeat((object)_first, 129).ToArray());

        ulong block = _bns.Send(_owner, "Register(string,address)", "my-server", _first);
        _bns.Send(_owner, "AddProperty(string,string)", "my-server", "kept=yes");
        Assert.Equal(_first, _bns.Get<Address>("Resolve(string)", "address", "my-server"));
        object[] entry = (object[])_bns.Read("ResolveEntry(string)", Entry, "my-server")[0];
        Assert.Equal([_first, _owner, "my-server"], entry[..3]);
        Assert.Equal([new BigInteger(block + 1036800), new BigInteger(block + 518400)], entry[5..]);

        _bns.Refuses(NotYours, _other, "Register(string,address)", "my-server", _second);
        _bns.Refuses(NotYours, _other, "RegisterMultiple(string,address[])", "my-server", new object[] { _second });
        _bns.Send(_owner, "RegisterMultiple(string,address[])", "my-server", new object[] { _second, _first });
        Assert.Equal([_second, _first], _bns.List<Address>("ResolveAll(string)", "address", "my-server"));
        Assert.Equal(["kept=yes"], _bns.List<string>("GetProperties(string)", "string", "my-server"));
        HashSet<Address> seen = [];
        for (int i = 0; i < 4; i++)
        {
            seen.Add(_bns.Get<Address>("Resolve(string)", "address", "my-server"));
            node.Call("evm_mine");
        }

        Assert.Equal(2, seen.Count);
        Assert.Equal(["my-server"], _bns.Read("names(bytes32)", "address,address,string,uint256,uint256", Key("my-server"))[2..3]);
    }

    [Fact]
    public void Free_names_resolve_to_nothing()
    {
        Assert.Equal(Address.Zero, _bns.Get<Address>("Resolve(string)", "address", "nobodys-name"));
        Assert.Equal(Address.Zero, _bns.Get<Address>("ResolveOwner(string)", "address", "nobodys-name"));
        Assert.Equal([Address.Zero], _bns.List<Address>("ResolveAll(string)", "address", "nobodys-name"));
        foreach (string change in new[] { "Unregister(string)", "TransferOwner(string,address)", "AddProperty(string,string)" })
        {
            object[] more = change.Contains("address", StringComparison.Ordinal) ? [_first] : change.StartsWith('A') ? ["a=b"] : [];
            _bns.Refuses(NotYours, _owner, change, ["nobodys-name", .. more]);
        }
    }

    [Fact]
    public void Names_change_hands_move_and_end()
    {
        foreach (string name in new[] { "name-one", "name-two", "name-three" })
        {
            _bns.Send(_owner, "Register(string,address)", name, _first);
        }

        _bns.Refuses(NotYours, _other, "TransferOwner(string,address)", "name-one", _other);
        _bns.Refuses("The owner can't be zero", _owner, "TransferOwner(string,address)", "name-one", Address.Zero);
        _bns.Send(_owner, "TransferOwner(string,address)", "name-one", _other);
        Assert.Equal(_other, _bns.Get<Address>("ResolveOwner(string)", "address", "name-one"));
        _bns.Refuses(NotYours, _owner, "Unregister(string)", "name-one");

        _bns.Send(_owner, "AddProperty(string,string)", "name-two", "moved=yes");
        _bns.Refuses(NotYours, _other, "Rename(string,string)", "name-two", "name-four");
        _bns.Refuses("The new name is taken", _owner, "Rename(string,string)", "name-two", "name-one");
        _bns.Refuses("Names must be longer than 7 characters", _owner, "Rename(string,string)", "name-two", "short");
        _bns.Send(_owner, "Rename(string,string)", "name-two", "name-four");
        Assert.Equal(_first, _bns.Get<Address>("Resolve(string)", "address", "name-four"));
        Assert.Equal(Address.Zero, _bns.Get<Address>("Resolve(string)", "address", "name-two"));
        Assert.Equal("yes", _bns.Get<string>("FindPropertyKV(string,string)", "string", "name-four", "moved"));

        _bns.Send(_other, "Unregister(string)", "name-one");
        Assert.Equal(2, _bns.Number("AllNamesLength()"));
        Assert.Equal(
            new[] { Key("name-three"), Key("name-four") }.Order(), _bns.List<Hash256>("AllNames()", "bytes32").Order());
        Assert.Contains(_bns.Get<Hash256>("namesIndex(uint256)", "bytes32", 0), new[] { Key("name-three"), Key("name-four") });
        _bns.Send(_other, "Register(string,address)", "name-two", _second);
    }

    [Fact]
    public void Properties_are_the_owners()
    {
        const string Name = "with-properties";
        _bns.Send(_owner, "Register(string,address)", Name, _first);
        foreach ((string signature, object[] arguments) in new (string, object[])[]
        {
            ("AddProperty(string,string)", [Name, "a=b"]), ("DeleteProperty(string,uint256)", [Name, 0]), ("SetPropertyKV(string,string,string)", [Name, "a", "b"]),
        })
        {
            _bns.Refuses(NotYours, _other, signature, arguments);
        }

        _bns.Refuses("", _owner, "DeleteProperty(string,uint256)", Name, 0);
        _bns.Send(_owner, "SetPropertyKV(string,string,string)", Name, "key", "one");
        _bns.Send(_owner, "AddProperty(string,string)", Name, "keys=more");
        _bns.Send(_owner, "SetPropertyKV(string,string,string)", Name, "key", "two=2");
        Assert.Equal(["key=two=2", "keys=more"], _bns.List<string>("GetProperties(string)", "string", Name));
        Assert.Equal("two=2", _bns.Get<string>("FindPropertyKV(string,string)", "string", Name, "key"));
        Assert.Equal("", _bns.Get<string>("FindPropertyKV(string,string)", "string", Name, "ke"));
        Assert.Equal("keys=more", _bns.Get<string>("GetProperty(string,uint256)", "string", Name, 1));
        _bns.Send(_owner, "DeleteProperty(string,uint256)", Name, 0);
        Assert.Equal(1, _bns.Number("GetPropertyLength(string)", Name));
        Assert.Equal("", _bns.Get<string>("FindPropertyKV(string,string)", "string", Name, "key"));
    }

    [Fact]
    public void Reverse_names_need_the_forward_one()
    {
        const string Name = "reverse-name";
        const string Owned = "Only the address owner can change an owned entry.";
        Address device = node.Accounts[7];
        _bns.Refuses("Forward lookup failed", device, "RegisterReverse(address,string)", device, Name);
        _bns.Send(_owner, "Register(string,address)", Name, device);
        _bns.Refuses("Forward lookup failed", device, "RegisterReverse(address,string)", _second, Name);
        _bns.Send(_owner, "RegisterReverse(address,string)", device, Name);
        Assert.Equal(Name, _bns.Get<string>("ResolveReverse(address)", "string", device));
        Assert.Equal([Name, _owner], _bns.Read("reverse(address)", "string,address", device));

        _bns.Refuses(Owned, _other, "RegisterReverse(address,string)", device, Name);
        _bns.Refuses("Only the address owner can unregister an owned entry.", _other, "UnregisterReverse(address)", device);
        _bns.Send(device, "RegisterReverse(address,string)", device, Name);
        _bns.Refuses(Owned, _owner, "RegisterReverse(address,string)", device, Name);
        ulong block = _bns.Send(device, "UnregisterReverse(address)", device);
        Assert.Equal("", _bns.Get<string>("ResolveReverse(address)", "string", device));
        Assert.Equal(block, _bns.Number("change_tracker()"));
    }

    private static Hash256 Key(string name) => Keccak256.Hash(Encoding.ASCII.GetBytes(name));
}

using System.Numerics;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class PerimeterContractTests : IDisposable
{
    private const string CreateDevice = "createDevice(address,string,string,string,string)";
    private const string UpdateDevice = "updateDevice(address,string,string,string,string)";
    private const string CreateUser = "createUser(address,string,string,string)";
    private const string Device = "(address,address,string,string,string,string,uint256,uint256)";
    private const string User = "(address,string,string,string,bool,uint256)";
    private const string Property = "getPropertyValue(address,string)";
    private readonly AnvilNode _node = new();
    private readonly Address _owner;
    private readonly Address _user;
    private readonly Address _stranger;
    private readonly Address _device;
    private readonly Address _second;
    private readonly DeployedContract _perimeter;

    public PerimeterContractTests()
    {
        (_owner, _user, _stranger, _device, _second) = (_node.Accounts[0], _node.Accounts[1], _node.Accounts[2], _node.Accounts[3], _node.Accounts[4]);
        _perimeter = DeployedContract.Deploy(_node, "Perimeter", _owner, "address,string", _owner, "office");
    }

    public void Dispose() => _node.Dispose();

    [Fact]
    public void Perimeter_is_a_fleet_too()
    {
        Assert.Equal(806, _perimeter.Number("Version()"));
        Assert.StartsWith("0x5a544e41", _perimeter.Get<Hash256>("Type()", "bytes32").ToString(), StringComparison.Ordinal);
        Assert.Equal("office", _perimeter.Get<string>("label()", "string"));
        _perimeter.Refuses("AUTH", _stranger, "updateLabel(string)", "theirs");
        _perimeter.Send(_owner, "updateLabel(string)", "home");
        Assert.Equal("home", _perimeter.Get<string>("label()", "string"));
        _perimeter.Refuses("Already initialized", _owner, "initialize(address,string)", _owner, "x");
        _perimeter.Refuses("Already initialized", _owner, "initialize(address,address)", _owner, _owner);
        _perimeter.Refuses("Already initialized", _owner, "initialize(address)", _owner);

        _perimeter.Send(_owner, CreateDevice, _device, "lap", "", "", "");
        Assert.False(_perimeter.Get<bool>("DeviceAllowlist(address)", "bool", _device));
        _perimeter.Refuses("Only the operator can call this method", _user, "SetDeviceAllowlist(address,bool)", _device, true);
        _perimeter.Send(_owner, "AddDeviceBatch(address[])", [new object[] { _device }]);
        Assert.True(_perimeter.Get<bool>("DeviceAllowlist(address)", "bool", _device));
        _perimeter.Send(_owner, "removeDevice(address)", _device);
        Assert.False(_perimeter.Get<bool>("DeviceAllowlist(address)", "bool", _device));
        Assert.Equal(0, _perimeter.Number("GetDeviceCount()"));
    }

    [Fact]
    public void Admins_manage_users()
    {
        _perimeter.Refuses("AUTH", _stranger, CreateUser, _user, "u", "", "");
        _perimeter.Refuses("IUA", _owner, CreateUser, Address.Zero, "u", "", "");
        _perimeter.Send(_owner, CreateUser, _user, "Uma", "uma@example.org", "");
        _perimeter.Refuses("UAE", _owner, CreateUser, _user, "u", "", "");
        _perimeter.Refuses("UAE", _owner, "addPerimeterAdmin(address,string)", _owner, "again");
        Assert.Equal([_user, "Uma", "uma@example.org", "", false], ((object[])_perimeter.ReadAs(_user, "getUser(address)", User, _user)[0])[..5]);
        _perimeter.Refuses("AUTH", _stranger, "getUser(address)", _user);
        _perimeter.Refuses("UNE", _owner, "getUser(address)", _stranger);
        _perimeter.Refuses("AUTH", _user, "addPerimeterAdmin(address,string)", _stranger, "me too");
        _perimeter.Refuses("AUTH", _user, "setUserAdmin(address,bool)", _user, true);
        _perimeter.Refuses("UNE", _owner, "setUserAdmin(address,bool)", _stranger, true);
        _perimeter.Refuses("AUTH", _owner, "setUserAdmin(address,bool)", _owner, false);
        _perimeter.Send(_user, "updateUser(address,string,string,string)", _user, "Uma B", "", "");
        _perimeter.Refuses("AUTH", _stranger, "updateUser(address,string,string,string)", _user, "x", "", "");
        _perimeter.Refuses("UNE", _owner, "updateUser(address,string,string,string)", _stranger, "x", "", "");
        _perimeter.Send(_owner, "setUserAdmin(address,bool)", _user, true);
        Assert.True(_perimeter.Get<bool>("isUserAdmin(address)", "bool", _user));
        _perimeter.Send(_user, "addPerimeterAdmin(address,string)", _stranger, "Sam");
        Assert.Equal([_owner, _user, _stranger], Addresses(_owner, "getAllUsers()"));

        _perimeter.Send(_user, CreateDevice, _device, "lap", "", "", "");
        _perimeter.Refuses("IN", _owner, "removeUser(address)", _user);
        _perimeter.Refuses("AUTH", _user, "removeUser(address)", _owner);
        _perimeter.Send(_owner, "transferDeviceOwnership(address,address)", _device, _owner);
        _perimeter.Send(_owner, "removeUser(address)", _user);
        _perimeter.Refuses("UNE", _owner, "removeUser(address)", _user);
        Assert.False(_perimeter.Get<bool>("isUserAdmin(address)", "bool", _user));
    }

    [Fact]
    public void Groups_hold_users()
    {
        const string Add = "addUserToGroup(address,address)";
        const string Remove = "removeUserFromGroup(address,address)";
        _perimeter.Send(_owner, CreateUser, _user, "u", "", "");
        _perimeter.Refuses("AUTH", _user, "createUserGroup(string,string)", "g", "");
        _perimeter.Send(_owner, "createUserGroup(string,string)", "staff", "all of us");
        _perimeter.Send(_owner, "createUserGroup(string,string)", "ops", "");
        Address[] groups = Addresses(_owner, "getAllUserGroups()");
        Assert.Equal(2, groups.Distinct().Count());
        _perimeter.Refuses("UNE", _owner, Add, _stranger, groups[0]);
        _perimeter.Refuses("GNE", _owner, Add, _user, _stranger);
        _perimeter.Refuses("AUTH", _user, Add, _user, groups[0]);
        _perimeter.Send(_owner, Add, _user, groups[0]);
        _perimeter.Send(_owner, Add, _user, groups[1]);
        _perimeter.Refuses("IN", _owner, Add, _user, groups[0]);
        Assert.Equal([_user], Addresses(_user, "getGroupUsers(address)", groups[0]));
        Assert.Equal(groups, Addresses(_user, "getUserGroups(address)", _user));
        Assert.True((bool)_perimeter.ReadAs(_user, "isUserInGroup(address,address)", "bool", _user, groups[0])[0]);
        _perimeter.Send(_owner, "updateUserGroup(address,string,string)", groups[0], "team", "");
        Assert.Equal([groups[0], "team", ""], ((object[])_perimeter.ReadAs(_owner, "getUserGroup(address)", "(address,string,string,uint256)", groups[0])[0])[..3]);
        _perimeter.Refuses("GNE", _owner, "updateUserGroup(address,string,string)", _stranger, "x", "");
        _perimeter.Refuses("GNE", _owner, "getUserGroup(address)", _stranger);
        _perimeter.Refuses("GNE", _owner, "getGroupUsers(address)", _stranger);
        _perimeter.Refuses("GNE", _owner, Remove, _user, _stranger);
        _perimeter.Send(_owner, Remove, _user, groups[0]);
        _perimeter.Refuses("OUT", _owner, Remove, _user, groups[0]);
        _perimeter.Send(_owner, "removeUserGroup(address)", groups[1]);
        _perimeter.Refuses("GNE", _owner, "removeUserGroup(address)", groups[1]);
        Assert.Empty(Addresses(_user, "getUserGroups(address)", _user));
        _perimeter.Send(_owner, Add, _user, groups[0]);
        _perimeter.Send(_owner, "removeUser(address)", _user);
        Assert.Empty(Addresses(_owner, "getGroupUsers(address)", groups[0]));
    }

    [Fact]
    public void Devices_have_an_owner()
    {
        _perimeter.Send(_owner, CreateUser, _user, "u", "", "");
        _perimeter.Refuses("AUTH", _user, CreateDevice, _device, "d", "", "", "");
        _perimeter.Refuses("IDA", _owner, CreateDevice, Address.Zero, "d", "", "", "");
        _perimeter.Send(_owner, CreateDevice, _device, "printer", "laser", "printer", "2nd floor");
        _perimeter.Refuses("DAE", _owner, CreateDevice, _device, "d", "", "", "");
        _perimeter.Refuses("AUTH", _user, UpdateDevice, _device, "mine", "", "", "");
        _perimeter.Refuses("DNE", _owner, UpdateDevice, _second, "x", "", "", "");
        _perimeter.Refuses("UNE", _owner, "transferDeviceOwnership(address,address)", _device, _stranger);
        _perimeter.Send(_owner, "transferDeviceOwnership(address,address)", _device, _user);
        _perimeter.Send(_user, UpdateDevice, _device, "copier", "", "", "");
        Assert.Equal([_device, _user, "copier"], ((object[])_perimeter.ReadAs(_device, "getDevice(address)", Device, _device)[0])[..3]);
        _perimeter.Refuses("AUTH", _stranger, "getDevice(address)", _device);
        _perimeter.Refuses("DNE", _owner, "getDevice(address)", _second);
        Assert.True((bool)_perimeter.ReadAs(_owner, "isDeviceOwner(address,address)", "bool", _device, _user)[0]);
        Assert.Equal([_device], Addresses(_owner, "getUserDevices(address)", _user));
        Assert.Empty(Addresses(_owner, "getUserDevices(address)", _owner));
        Assert.Equal([_device], Addresses(_owner, "getAllDevices()"));
        _perimeter.Send(_device, "updateDeviceLastSeen(address)", _device);
        _perimeter.Refuses("AUTH", _stranger, "updateDeviceLastSeen(address)", _device);
        _perimeter.Refuses("DNE", _owner, "updateDeviceLastSeen(address)", _second);
        Assert.NotEqual(BigInteger.Zero, ((object[])_perimeter.ReadAs(_owner, "getDevice(address)", Device, _device)[0])[7]);
        _perimeter.Refuses("AUTH", _stranger, "removeDevice(address)", _device);
        _perimeter.Send(_user, "removeDevice(address)", _device);
        _perimeter.Refuses("DNE", _owner, "removeDevice(address)", _device);
    }

    [Fact]
    public void Properties_come_from_device_tags_and_the_default_tag()
    {
        const string SetTag = "setTagProperty(address,string,string)";
        const string AddTag = "addDeviceToTag(address,address)";
        _perimeter.Refuses("DNE", _stranger, Property, _device, "public");
        _perimeter.Refuses("DNE", _stranger, "getDeviceProperty(address,string)", _device, "public");
        _perimeter.Refuses("DNE", _stranger, "getPropertyValueDirect(address,string)", _device, "public");
        _perimeter.Refuses("DNE", _owner, "setDeviceProperty(address,string,string)", _device, "public", "1:1");
        _perimeter.Send(_owner, CreateDevice, _device, "d", "", "", "");
        Assert.Equal("0x6000000000000000000000000000000000000000", Value("fleet"));
        Assert.Equal("", Value("public"));
        _perimeter.Refuses("AUTH", _stranger, "setDeviceProperty(address,string,string)", _device, "public", "1:1");
        _perimeter.Refuses("AUTH", _stranger, "createTag(string,string,string)", "t", "", "");
        _perimeter.Send(_owner, "createTag(string,string,string)", "web", "", "#fff");
        _perimeter.Send(_owner, "createTag(string,string,string)", "db", "", "");
        Address[] tags = Addresses(_owner, "getAllTags()");
        _perimeter.Refuses("TNE", _owner, SetTag, _stranger, "public", "1:1");
        _perimeter.Refuses("AUTH", _stranger, SetTag, tags[0], "public", "1:1");
        Address fallback = _perimeter.Get<Address>("defaultTag()", "address");
        Assert.Equal("0xc2c35e52ff656ed6747aec5922bf3e4d8c51f0f4", fallback.ToString());
        _perimeter.Send(_owner, SetTag, fallback, "public", "9:9");
        Assert.Equal("9:9", Value("public"));
        _perimeter.Refuses("TNE", _owner, AddTag, _device, _stranger);
        _perimeter.Refuses("DNE", _owner, AddTag, _second, tags[0]);
        _perimeter.Refuses("AUTH", _stranger, AddTag, _device, tags[0]);
        _perimeter.Send(_owner, AddTag, _device, tags[0]);
        _perimeter.Send(_owner, AddTag, _device, tags[1]);
        _perimeter.Refuses("IN", _owner, AddTag, _device, tags[0]);
        _perimeter.Send(_owner, SetTag, tags[1], "public", "2:2");
        Assert.Equal("2:2", Value("public"));
        _perimeter.Send(_owner, "setDeviceProperty(address,string,string)", _device, "public", "80:80");
        _perimeter.Send(_owner, SetTag, tags[0], "public", "1:1");
        Assert.Equal("80:80 1:1 2:2", Value("public"));
        Assert.Equal("80:80", _perimeter.Get<string>("getPropertyValueDirect(address,string)", "string", _device, "public"));
        Assert.Equal("80:80", _perimeter.Get<string>("getDeviceProperty(address,string)", "string", _device, "public"));
        object[] keys = ["public", "none"];
        Assert.Equal(["80:80", ""], (object[])_perimeter.ReadAs(_device, "getDeviceProperties(address,string[])", "string[]", _device, keys)[0]);
        Assert.Equal(["80:80", ""], (object[])_perimeter.ReadAs(_owner, "getDeviceV2(address,string[])", Device + ",string[]", _device, keys)[1]);
        _perimeter.Refuses("AUTH", _stranger, "getDeviceProperties(address,string[])", _device, keys);
        _perimeter.Refuses("DNE", _owner, "getDeviceV2(address,string[])", _second, keys);
        Assert.Equal("1:1", _perimeter.ReadAs(_owner, "getTagProperty(address,string)", "string", tags[0], "public")[0]);
        _perimeter.Refuses("AUTH", _stranger, "getTagProperty(address,string)", tags[0], "public");

        _perimeter.Send(_owner, "updateTag(address,string,string,string)", tags[0], "http", "", "");
        _perimeter.Refuses("TNE", _owner, "updateTag(address,string,string,string)", _stranger, "x", "", "");
        Assert.Equal("http", ((object[])_perimeter.ReadAs(_owner, "getTag(address)", "(address,string,string,string,uint256)", tags[0])[0])[1]);
        _perimeter.Refuses("TNE", _owner, "getTag(address)", _stranger);
        Assert.Equal([_device], Addresses(_owner, "getTagDevices(address)", tags[0]));
        _perimeter.Refuses("TNE", _owner, "getTagDevices(address)", _stranger);
        Assert.Equal(tags, Addresses(_owner, "getDeviceTags(address)", _device));
        Assert.True((bool)_perimeter.ReadAs(_owner, "isDeviceInTag(address,address)", "bool", _device, tags[1])[0]);
        _perimeter.Send(_owner, "removeDeviceFromTag(address,address)", _device, tags[1]);
        _perimeter.Refuses("OUT", _owner, "removeDeviceFromTag(address,address)", _device, tags[1]);
        _perimeter.Send(_owner, "removeTag(address)", tags[0]);
        _perimeter.Refuses("TNE", _owner, "removeTag(address)", tags[0]);
        Assert.Equal("80:80", Value("public"));
    }

    [Fact]
    public void Keys_are_made_only_where_they_stay_secret()
    {
        const string Public = "getDevicePublicKey(address)";
        Hash256 key = Hash256.Sha256([1]);
        _perimeter.Refuses("DNE", _owner, "generateDeviceKeyPair(address)", _device);
        _perimeter.Refuses("DNE", _device, "setDevicePublicKey(bytes32)", key);
        _perimeter.Send(_owner, CreateDevice, _device, "d", "", "", "");
        Assert.Equal(Hash256.Zero, _perimeter.ReadAs(_owner, Public, "bytes32", _device)[0]);
        _perimeter.Refuses("UNE", _stranger, Public, _device);
        _perimeter.Refuses("AUTH", _owner, "getDevicePrivateKey(address)", _device);
        _perimeter.Refuses("AUTH", _stranger, "generateDeviceKeyPair(address)", _device);
        _perimeter.Refuses("A key made on this chain would be public", _owner, "generateDeviceKeyPair(address)", _device);
        _perimeter.Send(_device, "setDevicePublicKey(bytes32)", key);
        Assert.Equal(key, _perimeter.ReadAs(_owner, Public, "bytes32", _device)[0]);
        _perimeter.Refuses("DUP", _owner, "generateDeviceKeyPair(address)", _device);
        _perimeter.Send(_owner, "removeDevice(address)", _device);
        Assert.Equal(Hash256.Zero, _perimeter.ReadAs(_owner, Public, "bytes32", _device)[0]);
    }

    /// <summary>With stand-ins for Sapphire's precompiles: one answers 32 bytes of ff, the other returns its input.</summary>
    [Fact]
    public void Sapphire_makes_a_key_pair_per_device()
    {
        using AnvilNode sapphire = new("127.0.0.1", "--gas-price", "0", "--block-base-fee-per-gas", "0", "--chain-id", "23294");
        DeployedContract perimeter = DeployedContract.Deploy(sapphire, "Perimeter", _owner, "address,string", _owner, "office");
        perimeter.Refuses("No random numbers on this chain", _owner, CreateDevice, _device, "d", "", "", "");
        sapphire.Call("anvil_setCode", "0x0100000000000000000000000000000000000001", "0x60001960005260206000f3");
        perimeter.Refuses("No Curve25519 on this chain", _owner, CreateDevice, _device, "d", "", "", "");
        sapphire.Call("anvil_setCode", "0x0100000000000000000000000000000000000008", "0x366000600037366000f3");
        perimeter.Send(_owner, CreateDevice, _device, "d", "", "", "");
        string clamped = "0xf8" + new string('f', 60) + "7f";
        Assert.Equal(Hash256.Parse(clamped), perimeter.ReadAs(_device, "getDevicePrivateKey(address)", "bytes32", _device)[0]);
        Assert.Equal(Hash256.Parse(clamped), perimeter.ReadAs(_owner, "getDevicePublicKey(address)", "bytes32", _device)[0]);
        perimeter.Refuses("DUP", _owner, "generateDeviceKeyPair(address)", _device);
    }

    private string Value(string key) => _perimeter.Get<string>(Property, "string", _device, key);

    private Address[] Addresses(Address from, string signature, params object[] arguments) =>
        [.. ((object[])_perimeter.ReadAs(from, signature, "address[]", arguments)[0]).Cast<Address>()];
}

using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class FleetContractTests(AnvilNode node) : IClassFixture<AnvilNode>
{
    private const string OperatorOnly = "Only the operator can call this method";
    private readonly Address _operator = node.Accounts[0];
    private readonly Address _accountant = node.Accounts[1];
    private readonly Address _stranger = node.Accounts[2];
    private readonly DeployedContract _fleet =
        DeployedContract.Deploy(node, "FleetContract", node.Accounts[0], "address,address", node.Accounts[0], node.Accounts[1]);

    [Fact]
    public void Operator_lets_devices_in_and_out()
    {
        Address[] devices = Devices(5);
        Assert.False(_fleet.Get<bool>("DeviceAllowlist(address)", "bool", devices[0]));
        ulong block = _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", devices[0], true);
        Assert.True(_fleet.Get<bool>("DeviceAllowlist(address)", "bool", devices[0]));
        Assert.True(_fleet.Get<bool>("deviceWhitelist(address)", "bool", devices[0]));
        Assert.Equal(block, _fleet.Number("change_tracker()"));

        _fleet.Send(_operator, "SetDeviceWhitelist(address,bool)", devices[0], true);
        Assert.Equal(block, _fleet.Number("change_tracker()"));
        _fleet.Send(_operator, "AddDeviceBatch(address[])", [devices.Cast<object>().ToArray()]);
        Assert.Equal(5, _fleet.Number("GetDeviceCount()"));
        Assert.Equal(devices, Page(0, 10));
        Assert.Equal(devices[1..3], Page(1, 2));
        Assert.Empty(Page(5, 1));
        Assert.Empty(Page(0, 0));

        _fleet.Send(_operator, "RemoveDeviceBatch(address[])", [new object[] { devices[1], devices[4], devices[1] }]);
        _fleet.Send(_operator, "SetDeviceWhitelist(address,bool)", devices[0], false);
        Assert.Equal([devices[2], devices[3]], Page(0, 10).Order().ToArray().Intersect(devices).OrderBy(d => Array.IndexOf(devices, d)));
        Assert.False(_fleet.Get<bool>("DeviceAllowlist(address)", "bool", devices[4]));
    }

    [Fact]
    public void Whole_range_pages_do_not_overflow()
    {
        _fleet.Send(_operator, "AddDeviceBatch(address[])", [Devices(3).Cast<object>().ToArray()]);
        System.Numerics.BigInteger most = (System.Numerics.BigInteger.One << 256) - 1;
        Assert.Equal(2, _fleet.List<Address>("GetDeviceList(uint256,uint256)", "address", 1, most).Length);
        Assert.Empty(_fleet.List<Address>("GetDeviceList(uint256,uint256)", "address", most, most));
    }

    [Fact]
    public void Only_the_operator_changes_anything()
    {
        object[] devices = [.. Devices(2).Cast<object>()];
        foreach (Address other in new[] { _accountant, _stranger })
        {
            _fleet.Refuses(OperatorOnly, other, "SetDeviceAllowlist(address,bool)", devices[0], true);
            _fleet.Refuses(OperatorOnly, other, "SetDeviceWhitelist(address,bool)", devices[0], true);
            _fleet.Refuses(OperatorOnly, other, "AddDeviceBatch(address[])", [devices]);
            _fleet.Refuses(OperatorOnly, other, "RemoveDeviceBatch(address[])", [devices]);
            _fleet.Refuses(OperatorOnly, other, "transferOperator(address)", other);
        }

        Assert.Equal(0, _fleet.Number("GetDeviceCount()"));
    }

    [Fact]
    public void Roles_are_handed_over_and_set_once()
    {
        Assert.Equal(400, _fleet.Number("Version()"));
        foreach (string name in new[] { "Operator()", "operator()" })
        {
            Assert.Equal(_operator, _fleet.Get<Address>(name, "address"));
        }

        foreach (string name in new[] { "Accountant()", "accountant()" })
        {
            Assert.Equal(_accountant, _fleet.Get<Address>(name, "address"));
        }

        _fleet.Refuses("Already initialized", _operator, "initialize(address)", _stranger);
        _fleet.Refuses("Already initialized", _stranger, "initialize(address,address)", _stranger, _stranger);
        _fleet.Refuses("The operator can't be zero", _operator, "transferOperator(address)", Address.Zero);
        _fleet.Send(_operator, "transferOperator(address)", _stranger);
        Assert.Equal(_stranger, _fleet.Get<Address>("operator()", "address"));
        Assert.Equal(_stranger, _fleet.Get<Address>("accountant()", "address"));
        _fleet.Refuses(OperatorOnly, _operator, "SetDeviceAllowlist(address,bool)", Devices(1)[0], true);
    }

    [Fact]
    public void Code_of_a_proxy_is_initialized_by_the_first_caller()
    {
        DeployedContract bare = DeployedContract.Place(node, "FleetContract", Devices(1)[0]);
        bare.Refuses("The operator can't be zero", _operator, "initialize(address)", Address.Zero);
        bare.Send(_stranger, "initialize(address)", _operator);
        Assert.Equal(_operator, bare.Get<Address>("Accountant()", "address"));
    }

    private static Address[] Devices(int count) =>
        [.. Enumerable.Range(0, count).Select(static _ => new Address(System.Security.Cryptography.RandomNumberGenerator.GetBytes(Address.Length)))];

    private Address[] Page(int offset, int limit) =>
        _fleet.List<Address>("GetDeviceList(uint256,uint256)", "address", offset, limit);
}

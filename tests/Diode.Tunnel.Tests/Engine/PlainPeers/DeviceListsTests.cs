using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PlainPeers;

public sealed class DeviceListsTests
{
    private static readonly Address One = Address.Parse("0x1111111111111111111111111111111111111111");
    private static readonly Address Two = Address.Parse("0x2222222222222222222222222222222222222222");

    /// <summary>What the contract allows does not open what the machine's own lists close, and the other way round.</summary>
    [Fact]
    public void Lists_of_a_perimeter_refuse_besides_those_of_the_machine()
    {
        PublishedPorts ports = Make([One], new DeviceLists(new HashSet<Address>(), new HashSet<Address> { Two }));
        Assert.NotNull(ports.Decide(One, new PortName(PortProtocol.Tls, 80)).Refusal);
        Assert.NotNull(ports.Decide(Two, new PortName(PortProtocol.Tls, 80)).Refusal);
        Assert.Null(Make([One], DeviceLists.None).Decide(One, new PortName(PortProtocol.Tls, 80)).Refusal);
        Assert.EndsWith(
            "is on the block list", Make([One], new DeviceLists(new HashSet<Address> { One }, null)).Decide(One, new PortName(PortProtocol.Tls, 80)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void They_hold_for_devices_in_the_tunnel_as_well()
    {
        Assert.True(PublishRule.TryParse("80", ["public"], out PublishRule? rule, out _));
        PublishPolicy policy = PublishPolicy.Create([rule], static _ => [], new DeviceLists(new HashSet<Address> { One }, null));
        Assert.False(policy.Allows(new FilterPeer(1, One, IsFleetMember: true), 6, hasPorts: true, 80));
        Assert.True(policy.Allows(new FilterPeer(2, Two, IsFleetMember: true), 6, hasPorts: true, 80));
    }

    private static PublishedPorts Make(Address[] allowed, DeviceLists perimeter)
    {
        Assert.True(PortDefinition.TryParse(PublishMode.Public, "80", out PortDefinition? definition, out _));
        return new PublishedPorts { Definitions = [definition], Allowed = new HashSet<Address>(allowed), Perimeter = perimeter }.Index();
    }
}

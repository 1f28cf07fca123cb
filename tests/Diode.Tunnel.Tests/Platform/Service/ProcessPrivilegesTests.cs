using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Service;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Service;

public sealed class ProcessPrivilegesTests
{
    [Theory]
    [InlineData("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n", true, 0x1ffffffffffUL)]
    [InlineData("CapEff:\t0000000000001000\r\n", true, 0x1000UL)]
    [InlineData("CapPrm:\t0000000000001000\n", false, 0UL)]
    [InlineData("CapEff:\tnonsense\n", false, 0UL)]
    [InlineData("", false, 0UL)]
    public void Effective_capabilities_are_read(string status, bool found, ulong expected)
    {
        Assert.Equal(found, ProcessPrivileges.TryReadEffectiveCapabilities(status, out ulong capabilities));
        Assert.Equal(expected, capabilities);
    }

    [Fact]
    public void RequireNetAdmin_refuses_exactly_without_the_privilege()
    {
        if (ProcessPrivileges.HasNetAdmin)
        {
            ProcessPrivileges.RequireNetAdmin("diode-tunnel up");
            return;
        }

        PlatformException exception = Assert.Throws<PlatformException>(
            () => ProcessPrivileges.RequireNetAdmin("diode-tunnel up"));
        Assert.NotNull(exception.Hint);
    }
}

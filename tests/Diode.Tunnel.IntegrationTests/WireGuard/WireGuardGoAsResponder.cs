using Xunit;

namespace Diode.Tunnel.IntegrationTests.WireGuard;

/// <summary>Ours initiates. A class of its own, so that both roles run side by side.</summary>
public sealed class WireGuardGoAsResponder : WireGuardGoInterop
{
    [Fact]
    public void Carries_traffic_across_a_rekey() => CarriesTrafficAcrossARekey(weInitiate: true);
}

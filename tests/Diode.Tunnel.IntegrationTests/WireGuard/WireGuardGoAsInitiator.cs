using Xunit;

namespace Diode.Tunnel.IntegrationTests.WireGuard;

/// <summary>wireguard-go initiates. A class of its own, so that both roles run side by side.</summary>
public sealed class WireGuardGoAsInitiator : WireGuardGoInterop
{
    [Fact]
    public void Carries_traffic_across_a_rekey() => CarriesTrafficAcrossARekey(weInitiate: false);
}

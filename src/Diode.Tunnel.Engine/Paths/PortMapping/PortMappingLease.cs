using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>A port that the gateway forwards to this device.</summary>
/// <param name="Protocol">Who gave it: <c>PCP</c>, <c>NAT-PMP</c> or <c>UPnP</c>.</param>
/// <param name="External">Where it is outside.</param>
/// <param name="Lifetime">How long it holds unless renewed.</param>
internal sealed record PortMappingLease(string Protocol, EndpointAddress External, TimeSpan Lifetime)
{
    /// <summary>What is asked for; as long as the port is needed it is renewed.</summary>
    public static readonly TimeSpan Asked = TimeSpan.FromHours(2);

    /// <summary>A gateway may say anything; it is asked again after this time at the latest, and not more often than every two minutes.</summary>
    public static TimeSpan Bound(uint seconds)
    {
        return TimeSpan.FromSeconds(Math.Clamp(seconds, 120, (uint)Asked.TotalSeconds));
    }
}

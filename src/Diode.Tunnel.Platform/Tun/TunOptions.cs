using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>How to open a virtual adapter.</summary>
public sealed record TunOptions
{
    /// <summary>Interface name: up to 15 bytes on Linux. Default <c>diode0</c>.</summary>
    public string Name { get; init; } = "diode0";

    /// <summary>MTU in bytes, 576 to 1856 (what a standard packet buffer holds). Default 1280, the least IPv6 allows.</summary>
    public int Mtu { get; init; } = 1280;

    /// <summary>
    /// The offloads wanted. Used are those that <see cref="OffloadSwitches.Current"/> allows and the system passes a test of:
    /// <see cref="ITunAdapter.Active"/>. Default none: every packet read is then complete and not over the MTU.
    /// </summary>
    public TunOffloads Offloads { get; init; }
}

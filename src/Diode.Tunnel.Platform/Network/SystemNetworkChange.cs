namespace Diode.Tunnel.Platform.Network;

/// <summary>What happened to the network of the machine.</summary>
[Flags]
public enum SystemNetworkChange
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>An interface came, went, went up or down, or has another MTU.</summary>
    Interfaces = 1,

    /// <summary>An address came, went or became usable.</summary>
    Addresses = 2,

    /// <summary>A route came or went.</summary>
    Routes = 4,

    /// <summary>The machine slept: what was measured before is old, NAT mappings may be gone.</summary>
    Resumed = 8,
}

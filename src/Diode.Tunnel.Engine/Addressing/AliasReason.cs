namespace Diode.Tunnel.Engine.Addressing;

/// <summary>Why a device is reached at another IPv4 address on this machine than its own.</summary>
public enum AliasReason
{
    /// <summary>It isn't: the local address is its own.</summary>
    None,

    /// <summary>The machine's pool is not the default one.</summary>
    OtherPool,

    /// <summary>Its own address is this device's.</summary>
    CollidesWithSelf,

    /// <summary>Its own address is another peer's.</summary>
    CollidesWithPeer,

    /// <summary>Its own address lies in a local route.</summary>
    LocalRoute,

    /// <summary>An alias given earlier is kept, so that connections survive.</summary>
    Kept,
}

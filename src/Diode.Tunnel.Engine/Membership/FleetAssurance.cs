namespace Diode.Tunnel.Engine.Membership;

/// <summary>How a fleet's members are known, strongest first.</summary>
public enum FleetAssurance
{
    /// <summary>By a proof against a verified block header.</summary>
    Proven,

    /// <summary>By the operator's signature on a manifest.</summary>
    SignedManifest,

    /// <summary>Several independent relays agree.</summary>
    RelaysAgree,

    /// <summary>One relay says so.</summary>
    OneRelay,

    /// <summary>Verified earlier, not confirmed since.</summary>
    Cached,
}

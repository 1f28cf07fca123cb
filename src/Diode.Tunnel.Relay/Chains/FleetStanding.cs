namespace Diode.Tunnel.Relay.Chains;

/// <summary>What a chain knows about a fleet address; only ever a reason to warn (diode-edge §3.14).</summary>
internal enum FleetStanding
{
    /// <summary>The chain cannot be read: nothing is said.</summary>
    Unknown,

    /// <summary>A contract, and registered where fleets are registered.</summary>
    Registered,

    /// <summary>A contract the registry does not know: code <c>fleet_not_found</c>.</summary>
    NotRegistered,

    /// <summary>No contract: code <c>invalid_fleet_contract</c>.</summary>
    NotAContract,
}

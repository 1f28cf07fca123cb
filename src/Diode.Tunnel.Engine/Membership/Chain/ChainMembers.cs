using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>Where a chain says who belongs together: a fleet contract, or a name of a name service with all it stands for.</summary>
/// <param name="Contract">The fleet contract or the name service.</param>
/// <param name="Name">The name, in the form of the name service; null for a fleet contract.</param>
internal sealed record ChainMembers(Address Contract, string? Name = null)
{
    /// <summary>What the fleet is known by here: the contract; for a name a digest that is nobody's address.</summary>
    public Address Id { get; } = Name is null
        ? Contract
        : new Address(Keccak256.Hash([.. "bns"u8, .. Contract.ToArray(), .. Encoding.ASCII.GetBytes(Name)]).ToArray().AsSpan(Hash256.Length - Address.Length));

    /// <summary>For people.</summary>
    public override string ToString() => Name is null ? Contract.ToString() : Name + ChainFleetId.NameEnding;
}

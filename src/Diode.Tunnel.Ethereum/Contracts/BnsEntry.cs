namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>What a BNS holds about a name.</summary>
/// <param name="Owner">Who may change it; zero for a free name.</param>
/// <param name="Name">The name.</param>
/// <param name="Destinations">Devices it stands for.</param>
/// <param name="Properties">Free text, by custom <c>key=value</c>.</param>
/// <param name="LockEnd">Block number, never enforced.</param>
/// <param name="LeaseEnd">Block number, never enforced.</param>
public sealed record BnsEntry(
    Address Owner, string Name, IReadOnlyList<Address> Destinations, IReadOnlyList<string> Properties, ulong LockEnd, ulong LeaseEnd);

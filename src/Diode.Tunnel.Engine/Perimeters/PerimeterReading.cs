using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>What a perimeter says about this device.</summary>
/// <param name="Effective">The contract that decides: the last one of the proxy_to chain.</param>
/// <param name="IsRegistered">Whether that contract knows this device; if not, all values are missing.</param>
/// <param name="Values">Properties by key; a key that could not be read before is missing.</param>
/// <param name="Assurance">How it is known.</param>
internal sealed record PerimeterReading(
    Address Effective, bool IsRegistered, ImmutableSortedDictionary<string, string> Values, string Assurance)
{
    /// <summary>Keys that could not be read this time, with the reason; their values are those of an earlier reading.</summary>
    public ImmutableArray<string> Problems { get; init; } = [];
}

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>The newest block of a chain.</summary>
/// <param name="Number">Block number.</param>
/// <param name="Timestamp">Block time, unix seconds.</param>
/// <param name="Hash">Block hash.</param>
internal readonly record struct ChainPeak(ulong Number, ulong Timestamp, Hash256 Hash);

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>Finds the hash of a Diode L1 block, which a version 1 ticket is signed with; false when it isn't known.</summary>
public delegate bool BlockHashLookup(ulong blockNumber, out Hash256 hash);

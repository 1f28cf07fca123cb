using Diode.Tunnel.Ethereum.BlockQuick;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>The newest final block of Diode L1, and who can be asked about it.</summary>
/// <param name="Block">The block.</param>
/// <param name="Relays">The relays that have Diode L1, those that are believed first.</param>
/// <param name="Doubted">Names of those among them that were contradicted.</param>
internal sealed record DiodeHead(BlockHeader Block, IReadOnlyList<DiodeRelay> Relays, IReadOnlyList<string> Doubted);

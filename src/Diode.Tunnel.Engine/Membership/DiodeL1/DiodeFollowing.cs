using Diode.Tunnel.Ethereum.BlockQuick;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>How Diode L1 is followed.</summary>
/// <param name="Rules">The numbers of the vote, and where it begins.</param>
/// <param name="File">Where the last final block is kept.</param>
/// <param name="FileProblem">Told what is wrong with the file; from any thread.</param>
internal sealed record DiodeFollowing(BlockQuickRules Rules, TrustedBlockFile File, Action<string> FileProblem);

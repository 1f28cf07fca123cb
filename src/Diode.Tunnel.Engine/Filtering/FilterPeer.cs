using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>Who is at the other end, as the filter needs to know it. Keep one per peer and pass it along.</summary>
/// <param name="Id">A number that no other peer has had before: flows are bound to it.</param>
/// <param name="Device">The device's identity.</param>
/// <param name="IsFleetMember">Whether it is in a fleet with this device now. After a change call <see cref="PacketFilter.Recheck"/>.</param>
public readonly record struct FilterPeer(int Id, Address Device, bool IsFleetMember);

using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>Moving objects when the ring changes.</content>
internal sealed partial class PeerNetwork
{
    private const int ScanIntervalMs = 120_000;
    private const int LostMs = 20 * 60_000;
    private const int ObjectsPerMove = 100;

    // The loss that was answered, by relay.
    private readonly Dictionary<Address, long> _replacedLosses = [];
    private long _nextScanMs;

    private void TickRedistribution(long nowMs)
    {
        foreach (PeerSession link in _core.GetLinks())
        {
            if (link.BecameStable(nowMs) && _core.IsMember(link.Peer))
            {
                foreach (DhtObject value in _core.Store.Take(_core.Ring.GetZone(link.Peer), ObjectsPerMove, nowMs))
                {
                    _ = link.TryStore(value.Key, value.Encoded.Span, nowMs, _ => { });
                }
            }
        }

        if (nowMs < _nextScanMs)
        {
            return;
        }

        _nextScanMs = nowMs + ScanIntervalMs;
        foreach (Address member in _core.GetMembers())
        {
            PeerContact contact = _core.GetContact(member);
            if (contact.LostMs is long lostMs
                && nowMs - lostMs >= LostMs
                && _core.FindLink(member) is null
                && _replacedLosses.GetValueOrDefault(member) != lostMs)
            {
                _replacedLosses[member] = lostMs;
                foreach (DhtObject value in _core.Store.Take(_core.Ring.GetZone(member), ObjectsPerMove, nowMs))
                {
                    Write(value, nowMs);
                }
            }
        }
    }
}

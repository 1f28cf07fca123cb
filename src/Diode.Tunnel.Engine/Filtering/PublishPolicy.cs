using System.Collections.Frozen;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary><see cref="PublishRules"/> with every name resolved: what the packet filter asks. Immutable.</summary>
public sealed class PublishPolicy
{
    private readonly Entry[] _entries;
    private readonly DeviceLists _lists;

    private PublishPolicy(Entry[] entries, DeviceLists lists)
    {
        _entries = entries;
        _lists = lists;
    }

    /// <summary>Nothing allowed.</summary>
    public static PublishPolicy Nothing { get; } = new([], DeviceLists.None);

    /// <summary>Whether a peer may open a connection to a port here. Allocates nothing.</summary>
    /// <param name="peer">Who asks.</param>
    /// <param name="protocol">IP protocol number.</param>
    /// <param name="hasPorts">Whether the protocol has ports (TCP, UDP).</param>
    /// <param name="port">Destination port.</param>
    public bool Allows(in FilterPeer peer, byte protocol, bool hasPorts, ushort port)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Port.Covers(protocol, hasPorts, port)
                && (entry.ToPublic || (entry.ToFleet && peer.IsFleetMember) || entry.Devices.Contains(peer.Device)))
            {
                return _lists.Admits(peer.Device);
            }
        }

        return false;
    }

    /// <param name="rules">What is published.</param>
    /// <param name="lookup">The devices a name stands for.</param>
    /// <param name="lists">Who is refused all the same; null: nobody.</param>
    internal static PublishPolicy Create(
        IEnumerable<PublishRule> rules, Func<string, IReadOnlyCollection<Address>> lookup, DeviceLists? lists = null)
    {
        var entries = new List<Entry>();
        foreach (PublishRule rule in rules)
        {
            var devices = new HashSet<Address>();
            foreach (PublishTarget target in rule.Targets)
            {
                switch (target.Kind)
                {
                    case PublishTargetKind.Device:
                        devices.Add(target.Device);
                        break;
                    case PublishTargetKind.Name:
                        devices.UnionWith(lookup(target.Name!));
                        break;
                }
            }

            entries.Add(new Entry(
                rule.Port,
                rule.Targets.Contains(PublishTarget.Public),
                rule.Targets.Contains(PublishTarget.Fleet),
                devices.ToFrozenSet()));
        }

        return new PublishPolicy([.. entries], lists ?? DeviceLists.None);
    }

    private readonly record struct Entry(PublishPort Port, bool ToPublic, bool ToFleet, FrozenSet<Address> Devices);
}

using System.Collections.Frozen;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary><see cref="PublishRules"/> with every name resolved: what the packet filter asks. Immutable.</summary>
public sealed class PublishPolicy
{
    private readonly Entry[] _entries;

    private PublishPolicy(Entry[] entries)
    {
        _entries = entries;
    }

    /// <summary>Nothing allowed.</summary>
    public static PublishPolicy Nothing { get; } = new([]);

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
                return true;
            }
        }

        return false;
    }

    internal static PublishPolicy Create(IEnumerable<PublishRule> rules, Func<string, IReadOnlyCollection<Address>> lookup)
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

        return new PublishPolicy([.. entries]);
    }

    private readonly record struct Entry(PublishPort Port, bool ToPublic, bool ToFleet, FrozenSet<Address> Devices);
}

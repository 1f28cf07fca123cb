using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine;

/// <content>What this device lets others reach.</content>
public sealed partial class TunnelEngine
{
    /// <summary>Publishes a port; a rule for the same port is replaced. In force when it returns.</summary>
    /// <exception cref="TunnelException">The port or a target is not of the grammar.</exception>
    public Task PublishAsync(string port, IReadOnlyList<string> to, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                if (!PublishRule.TryParse(port, to, out PublishRule? rule, out string? problem))
                {
                    throw new TunnelException(problem, "For example: diode-tunnel publish 22 --to fleet", "BAD_REQUEST");
                }

                foreach (PublishTarget target in rule.Targets)
                {
                    if (target.Name is { } name && Lookup(name).Count == 0)
                    {
                        throw new TunnelException(
                            $"No device or fleet is called '{name}'.", "See: diode-tunnel fleet members", "NOT_FOUND");
                    }
                }

                Store(ReadRules().With(rule));
            },
            cancellation);
    }

    /// <summary>Takes a port back; connections it allowed are cut.</summary>
    /// <exception cref="TunnelException">It is not published.</exception>
    public Task UnpublishAsync(string port, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                PublishRules rules = ReadRules();
                bool isPort = PublishPort.TryParse(port, out PublishPort parsed);
                bool isDefined = isPort && RemoveDefinitions(parsed);
                bool isPublished = isDefined || (isPort && !ReferenceEquals(rules.Without(parsed), rules));
                if (!isPublished && isPort && parsed.First == parsed.Last && PerimeterPorts().Any(p => p.Ports[0].Destination == parsed.First))
                {
                    throw new TunnelException(
                        $"Port {parsed.First} is published because of the perimeter.", "Its operator can change that; or: sudo diode-tunnel leave", "CONFLICT");
                }

                if (!isPublished)
                {
                    throw new TunnelException($"'{port}' is not published.", "See: diode-tunnel publish list", "NOT_FOUND");
                }

                Store(rules.Without(parsed));
            },
            cancellation);
    }

    private void Store(PublishRules rules)
    {
        _state.Update(_state.Current with
        {
            Published = [.. rules.Rules.Select(static r =>
                new PublishedPort(r.Port.ToString(), [.. r.Targets.Select(static t => t.ToString())]))],
        });
        ApplyPublishRules();
        NotifyChanged();
    }

    private PublishRules ReadRules()
    {
        PublishRules rules = PublishRules.Empty;
        foreach (PublishedPort port in _state.Current.Published)
        {
            if (PublishRule.TryParse(port.Port, port.To, out PublishRule? rule, out _))
            {
                rules = rules.With(rule);
            }
        }

        return rules;
    }

    /// <summary>A fleet's name stands for its members, a label for the devices that carry it.</summary>
    private IReadOnlyCollection<Address> Lookup(string name)
    {
        HashSet<Address> devices = [];
        foreach (FleetSnapshot fleet in ActiveFleets())
        {
            foreach (FleetMember member in fleet.Members)
            {
                if (fleet.Name == name || member.Label == name || $"{member.Label}.{fleet.Name}" == name)
                {
                    devices.Add(member.Device);
                }
            }
        }

        return devices;
    }
}

using System.Collections.Frozen;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine;

/// <content>
/// Ports published by definitions of the Diode clients. They are open to plain Diode devices, and, where the service runs here under
/// the same number, to the same devices inside the tunnel: one thing for the user.
/// </content>
public sealed partial class TunnelEngine
{
    /// <summary>The number of the tunnel's own ports (design §4).</summary>
    private const ushort OwnPort = 41042;

    private readonly PlainServer _plainServer;

    /// <summary>
    /// Publishes definitions (diode-client §13.1), all or none. A port that is published already is replaced. In force when it returns.
    /// </summary>
    /// <exception cref="TunnelException">One is not of the grammar, or names nobody.</exception>
    public Task PublishDefinitionsAsync(IReadOnlyList<(PublishMode Mode, string Text)> definitions, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                List<PortDefinition> added = [];
                foreach ((PublishMode mode, string text) in definitions)
                {
                    added.AddRange(ParseDefinition(mode, text).Split());
                }

                HashSet<ushort> numbers = [];
                foreach (PortDefinition definition in added)
                {
                    ushort number = definition.Ports[0].Destination;
                    if (!numbers.Add(number))
                    {
                        throw new TunnelException(
                            $"port {number} is published twice", "The number behind the colon is what others use; it must be unique.", "BAD_REQUEST");
                    }
                }

                StoreDefinitions([.. ReadDefinitions().Where(d => !numbers.Contains(d.Ports[0].Destination)), .. added]);
            },
            cancellation);
    }

    private PortDefinition ParseDefinition(PublishMode mode, string text)
    {
        if (!PortDefinition.TryParse(mode, text, out PortDefinition? definition, out string? problem))
        {
            throw new TunnelException(problem, "For example: diode-tunnel publish --public 8080:80", "BAD_REQUEST");
        }

        if (definition.Ports.Any(static p => p.Destination == OwnPort))
        {
            throw new TunnelException($"port {OwnPort} is the tunnel's own", "Choose another number behind the colon.", "BAD_REQUEST");
        }

        foreach (string name in definition.Names)
        {
            if (Lookup(name).Count == 0)
            {
                throw new TunnelException($"No device or fleet is called '{name}'.", "See: diode-tunnel fleet members", "NOT_FOUND");
            }
        }

        return definition;
    }

    /// <summary>Takes back the definitions for a port; false if there is none.</summary>
    private bool RemoveDefinitions(PublishPort port)
    {
        List<PortDefinition> left = [];
        List<PortDefinition> all = ReadDefinitions();
        foreach (PortDefinition definition in all)
        {
            PortMapping mapping = definition.Ports[0];
            bool meant = mapping.Destination == port.First && port.First == port.Last
                && (port.Protocol == 0 || (port.Protocol == Packets.IpProtocol.Udp) == (mapping.Protocol == PortProtocol.Udp));
            if (!meant)
            {
                left.Add(definition);
            }
        }

        if (left.Count == all.Count)
        {
            return false;
        }

        StoreDefinitions(left);
        return true;
    }

    private void StoreDefinitions(List<PortDefinition> definitions)
    {
        if (definitions.Count > PublishRules.MaxRules)
        {
            throw new TunnelException($"At most {PublishRules.MaxRules} ports can be published.", "See: diode-tunnel publish list", "BAD_REQUEST");
        }

        _state.Update(_state.Current with
        {
            Definitions = [.. definitions.Select(static d => new PublishedDefinition(d.Mode.ToString().ToLowerInvariant(), d.ToString()))],
        });
        ApplyPublishRules();
        NotifyChanged();
    }

    private List<PortDefinition> ReadDefinitions()
    {
        List<PortDefinition> definitions = [];
        foreach (PublishedDefinition stored in _state.Current.Definitions)
        {
            if (Enum.TryParse(stored.Mode, ignoreCase: true, out PublishMode mode)
                && PortDefinition.TryParse(mode, stored.Definition, out PortDefinition? definition, out _))
            {
                definitions.AddRange(definition.Split());
            }
        }

        return definitions;
    }

    /// <summary>The rules that let the audience of a definition in through the tunnel too; null where the tunnel does not lead to the service.</summary>
    private PublishRule? ToTunnelRule(PortDefinition definition)
    {
        PortMapping mapping = definition.Ports[0];
        if (!mapping.IsLocal || mapping.Source != mapping.Destination)
        {
            return null;
        }

        string port = mapping.Destination.ToString(System.Globalization.CultureInfo.InvariantCulture) + mapping.Protocol switch
        {
            PortProtocol.Any => "",
            PortProtocol.Udp => "/udp",
            _ => "/tcp",
        };
        List<string> to = definition.Mode switch
        {
            PublishMode.Public => ["public"],
            PublishMode.Protected when definition.Addresses.IsEmpty && definition.Names.IsEmpty => ["fleet"],
            PublishMode.Protected when definition.Addresses.Contains(PublishedPorts.EverybodysFleet) => ["public"],
            PublishMode.Protected =>
            [
                .. definition.Addresses.Select(f => ActiveFleets().Find(a => a.Fleet == f)?.Name).OfType<string>(),
                .. definition.Names,
            ],
            _ => [.. definition.Addresses.Select(static a => a.ToString()), .. definition.Names],
        };
        return PublishRule.TryParse(port, to, out PublishRule? rule, out _) ? rule : null;
    }

    /// <summary>What both the packet filter and the plain ports go by. Names are resolved anew.</summary>
    private void ApplyPublishRules()
    {
        PublishRules rules = ReadRules();
        List<PortDefinition> definitions = [.. ReadDefinitions(), .. PerimeterPorts()];
        _filter.SetPolicy(PublishPolicy.Create(
            [.. rules.Rules, .. definitions.Select(ToTunnelRule).OfType<PublishRule>()], Lookup, _perimeterSettings.Lists));

        // Asked from other threads: everything it goes by is a copy.
        FrozenDictionary<Address, FrozenSet<Address>> fleets = ActiveFleets()
            .DistinctBy(static f => f.Fleet)
            .ToFrozenDictionary(static f => f.Fleet, static f => f.Members.Select(static m => m.Device).ToFrozenSet());
        FrozenDictionary<string, FrozenSet<Address>> names = definitions.SelectMany(static d => d.Names).Distinct()
            .ToFrozenDictionary(static n => n, n => Lookup(n).ToFrozenSet());
        _plainServer.Publish(new PublishedPorts
        {
            Definitions = [.. definitions],
            Rules = rules.Resolve(Lookup),
            Blocked = _blocked,
            Allowed = _allowed,
            Perimeter = _perimeterSettings.Lists,
            IsMember = (device, fleet) => fleet is { } one
                ? fleets.TryGetValue(one, out FrozenSet<Address>? members) && members.Contains(device)
                : fleets.Values.Any(m => m.Contains(device)),
            Lookup = name => names.TryGetValue(name, out FrozenSet<Address>? devices) ? devices : [],
            VirtualAddress = _up?.OwnAddresses[0],
        }.Index());
    }

    /// <summary>Ports of the tunnel go to the mesh, all others to plain Diode.</summary>
    private void AnswerPortRequest(RelayConnection relay, RelayPortRequest request)
    {
        if (request.Name is RelayConnection.TunnelPortName or RelayConnection.ControlPortName)
        {
            _mesh.HandlePortRequest(relay, request);
        }
        else
        {
            _plainServer.Handle(relay, request);
        }
    }

    private List<PublishView> MakePublishViews()
    {
        List<PublishView> views = [];
        foreach (PublishedPort port in _state.Current.Published)
        {
            bool isPublic = port.To.Contains("public");
            bool udpOnly = port.Port.EndsWith("/udp", StringComparison.Ordinal);
            bool tcpOnly = port.Port.EndsWith("/tcp", StringComparison.Ordinal);
            List<string> plain = [];
            if (!udpOnly)
            {
                plain.Add("tls");
                plain.AddRange(isPublic ? ["tcp"] : []);
            }

            plain.AddRange(isPublic && !tcpOnly ? ["udp"] : []);
            views.Add(new PublishView(port.Port, port.To) { InTunnel = true, Plain = plain });
        }

        foreach (PortDefinition definition in ReadDefinitions())
        {
            views.Add(MakeView(definition));
        }

        views.AddRange(PerimeterPorts().Select(p => MakeView(p) with { IsPerimeters = true }));
        return views;
    }

    private PublishView MakeView(PortDefinition definition)
    {
        PortMapping mapping = definition.Ports[0];
        string number = mapping.Destination.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string[] to = definition.Mode switch
        {
            PublishMode.Public => ["public"],
            PublishMode.Protected when definition.Addresses.IsEmpty && definition.Names.IsEmpty => ["fleet"],
            _ => [.. definition.Addresses.Select(static a => a.ToString()), .. definition.Names],
        };
        return new PublishView(mapping.Protocol == PortProtocol.Any ? number : $"{number}/{mapping.Protocol.ToString().ToLowerInvariant()}", to)
        {
            Mode = definition.Mode.ToString().ToLowerInvariant(),
            Target = mapping.Target,
            InTunnel = ToTunnelRule(definition) is not null,
            Plain = mapping.Protocol == PortProtocol.Any ? ["tls", "tcp", "udp"] : [mapping.Protocol.ToString().ToLowerInvariant()],
        };
    }
}

using System.Collections.Immutable;
using System.Net;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Decides about ports that plain Diode devices open here (diode-client §13.3). Two things are published: definitions in the grammar of
/// the Diode clients, and the rules of the tunnel (<c>publish 22 --to fleet</c>). Immutable; engine loop swaps it.
/// </summary>
/// <remarks>
/// A rule of the tunnel leads to this device's virtual address, so a plain device reaches exactly what a tunnel device reaches, not what
/// listens on loopback only. Where such a rule asks who somebody is, only <c>tls:</c> opens it: the opener of every other form is the
/// relay's word. A definition is explicit and means what it means in the Diode clients.
/// </remarks>
internal sealed class PublishedPorts
{
    /// <summary>The fleet everybody is in (diode-client §13.3).</summary>
    public static readonly Address EverybodysFleet = Address.Parse("0x6000000000000000000000000000000000000000");

    private readonly Dictionary<ushort, PortDefinition> _definitions = [];

    /// <summary>Nothing is published.</summary>
    public static PublishedPorts Nothing { get; } = new();

    /// <summary>One definition for each port.</summary>
    public ImmutableArray<PortDefinition> Definitions { get; init; } = [];

    /// <summary>The rules of the tunnel, names resolved.</summary>
    public PublishPolicy Rules { get; init; } = PublishPolicy.Nothing;

    /// <summary>Refused whatever is published.</summary>
    public IReadOnlySet<Address> Blocked { get; init; } = ImmutableHashSet<Address>.Empty;

    /// <summary>If not empty and nothing is blocked, everybody else is refused.</summary>
    public IReadOnlySet<Address> Allowed { get; init; } = ImmutableHashSet<Address>.Empty;

    /// <summary>What a perimeter says about that. It refuses besides the two above, and lets nobody in whom they refuse.</summary>
    public DeviceLists Perimeter { get; init; } = DeviceLists.None;

    /// <summary>Whether a device is a member of a fleet (by operator address); of any fleet of this device for null.</summary>
    public Func<Address, Address?, bool> IsMember { get; init; } = static (_, _) => false;

    /// <summary>The devices a name stands for now: a label, or the members of a fleet of that name.</summary>
    public Func<string, IReadOnlyCollection<Address>> Lookup { get; init; } = static _ => [];

    /// <summary>This device's virtual address, where rules of the tunnel lead; null while the tunnel is down.</summary>
    public IPAddress? VirtualAddress { get; init; }

    /// <summary>Builds the index; call once after the members are set.</summary>
    public PublishedPorts Index()
    {
        foreach (PortDefinition definition in Definitions)
        {
            _definitions.TryAdd(definition.Ports[0].Destination, definition);
        }

        return this;
    }

    /// <summary>Whether <paramref name="source"/> may open the port, and where it leads.</summary>
    public PortDecision Decide(in Address source, in PortName port)
    {
        var own = new DeviceLists(Blocked, Allowed.Count > 0 ? Allowed : null);
        if ((own.Refusal(source) ?? Perimeter.Refusal(source)) is { } refusal)
        {
            return PortDecision.Refuse(refusal);
        }

        if (_definitions.TryGetValue(port.Number, out PortDefinition? definition) && definition.Ports[0].Accepts(port.Protocol))
        {
            return Admits(definition, source)
                ? PortDecision.Accept(definition.Ports[0].Host, definition.Ports[0].Source)
                : PortDecision.Refuse($"device {Hex(source)} is not in the Allowlist (2)");
        }

        return DecideByRules(source, port);
    }

    /// <summary>The address as Diode clients write it in reasons: hex without 0x.</summary>
    internal static string Hex(in Address device)
    {
        return device.ToString()[2..];
    }

    private PortDecision DecideByRules(in Address source, in PortName port)
    {
        byte protocol = port.Protocol == PortProtocol.Udp ? IpProtocol.Udp : IpProtocol.Tcp;
        FilterPeer nobody = new(0, default, IsFleetMember: false);
        bool isPublic = Rules.Allows(nobody, protocol, hasPorts: true, port.Number);
        if (VirtualAddress is not { } target || (port.Protocol != PortProtocol.Tls && !isPublic))
        {
            return PortDecision.Refuse(PortDecision.NotPublished);
        }

        FilterPeer peer = new(0, source, IsMember(source, null));
        if (isPublic || Rules.Allows(peer, protocol, hasPorts: true, port.Number))
        {
            return PortDecision.Accept(target.ToString(), port.Number);
        }

        // Whether it is published to others is nobody's business who is not among them.
        return PortDecision.Refuse(PortDecision.NotPublished);
    }

    private bool Admits(PortDefinition definition, Address source)
    {
        switch (definition.Mode)
        {
            case PublishMode.Public:
                return true;
            case PublishMode.Protected when definition.Addresses.IsEmpty && definition.Names.IsEmpty:
                return IsMember(source, null);
            case PublishMode.Protected:
                return definition.Addresses.Any(fleet => fleet == EverybodysFleet || IsMember(source, fleet))
                    || definition.Names.Any(name => Lookup(name).Contains(source));
            default:
                return definition.Addresses.Contains(source) || definition.Names.Any(name => Lookup(name).Contains(source));
        }
    }
}

/// <summary>Outcome of <see cref="PublishedPorts.Decide"/>.</summary>
/// <param name="Refusal">Why not, in the words of the Diode clients; null if it may be opened.</param>
/// <param name="Host">Where the service is.</param>
/// <param name="Port">Its port.</param>
internal readonly record struct PortDecision(string? Refusal, string Host, ushort Port)
{
    /// <summary>Text for a port nobody published.</summary>
    public const string NotPublished = "port was not published";

    public static PortDecision Accept(string host, ushort port)
    {
        return new PortDecision(null, host, port);
    }

    public static PortDecision Refuse(string reason)
    {
        return new PortDecision(reason, "", 0);
    }
}

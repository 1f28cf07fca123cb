using System.Net;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>How a relay works together with others.</summary>
public sealed record PeerOptions
{
    /// <summary>Port that real relays use among themselves.</summary>
    public const int DefaultPort = 51055;

    /// <summary>As a seed: the relays of the public network.</summary>
    public const string Public = "public";

    /// <summary>Chain of the node registry in use: Moonbeam.</summary>
    public const ulong DefaultRegistryChain = 1284;

    /// <summary>Where other relays connect; null: nowhere, the relay only dials.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>Whether the relay does without <see cref="Listen"/> when that is taken. Default false: it does not start.</summary>
    public bool ListenIsOptional { get; init; }

    /// <summary>
    /// Relays to be kept in contact, at their peer ports; they prove the key named here and are members of the ring.
    /// </summary>
    public IReadOnlyList<RelayUri> Seeds { get; init; } = [];

    /// <summary>Further relays that are trusted with objects of the DHT, wherever they are.</summary>
    public IReadOnlyList<Address> Members { get; init; } = [];

    /// <summary>Contract that lists members of the ring; null for none. Needs an upstream for its chain.</summary>
    public Address? Registry { get; init; }

    /// <summary>Chain of <see cref="Registry"/>.</summary>
    public ulong RegistryChain { get; init; } = DefaultRegistryChain;

    /// <summary>The relays of the public network (diode-node §9.3), with their ports for relays.</summary>
    public static IReadOnlyList<string> PublicSeeds { get; } =
    [
        "diode://0xceca2f8cf1983b4cf0c1ba51fd382c2bc37aba58@us1.prenet.diode.io:51055",
        "diode://0x7e4cd38d266902444dc9c8f7c0aa716a32497d0b@us2.prenet.diode.io:51055",
        "diode://0x68e0bafdda9ef323f692fc080d612718c941d120@as1.prenet.diode.io:51055",
        "diode://0x1350d3b501d6842ed881b59de4b95b27372bfae8@as2.prenet.diode.io:51055",
        "diode://0x937c492a77ae90de971986d003ffbc5f8bb2232c@eu1.prenet.diode.io:51055",
        "diode://0xae699211c62156b8f29ce17be47d2f069a27f2a6@eu2.prenet.diode.io:51055",
    ];

    /// <summary>The same with relays given as texts.</summary>
    /// <param name="seeds"><c>diode://0x…@host:port</c> each, or <see cref="Public"/>.</param>
    /// <param name="members">Addresses.</param>
    /// <param name="registry">Address of a contract, or null.</param>
    /// <exception cref="FormatException">A text is of another form.</exception>
    public PeerOptions With(IEnumerable<string> seeds, IEnumerable<string> members, string? registry)
    {
        return this with
        {
            Seeds = [.. seeds.SelectMany(seed => seed == Public ? PublicSeeds : [seed]).Select(RelayUri.Parse)],
            Members = [.. members.Select(Address.Parse)],
            Registry = registry is null ? null : Address.Parse(registry),
        };
    }
}

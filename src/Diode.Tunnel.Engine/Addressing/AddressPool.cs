using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>The IPv4 network this machine gives local peer addresses from. Immutable. Not seen by any other machine.</summary>
public sealed class AddressPool
{
    /// <summary>Routes shorter than this (defaults, and the halves other VPNs use) don't count as conflicts: ours is more specific.</summary>
    public const int ShortestConflictingPrefix = 8;

    private const int ShortestPrefix = 8;
    private const int LongestPrefix = 24;

    // Where to look when the pool is taken: CGNAT, the benchmarking range, then corners of 10/8 and 172.16/12 that few use.
    private static readonly string[] Alternatives =
        ["100.64.0.0/10", "198.18.0.0/15", "10.211.0.0/16", "172.29.0.0/16", "10.77.0.0/16", "192.168.211.0/24"];

    private readonly uint _network;
    private readonly uint _mask;

    private AddressPool(uint network, int prefixLength)
    {
        _network = network;
        PrefixLength = prefixLength;
        _mask = uint.MaxValue << (32 - prefixLength);
    }

    /// <summary>100.64.0.0/10, the pool of the addresses used between devices.</summary>
    public static AddressPool Default { get; } = new(0x6440_0000, 10);

    /// <summary>Prefix length in bits (8 to 24).</summary>
    public int PrefixLength { get; }

    /// <summary>Whether this is the network that addresses between devices come from, so that no translation is needed as such.</summary>
    public bool IsDefault => _network == Default._network && PrefixLength == Default.PrefixLength;

    /// <summary>The pool as a route.</summary>
    public IPNetwork Network => new(PacketAddress.FromIpv4(_network).ToIPAddress(), PrefixLength);

    /// <summary>Reads CIDR text such as <c>10.77.0.0/16</c>; the prefix length must be 8 to 24 and the host bits zero.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out AddressPool? pool)
    {
        pool = null;
        if (!IPNetwork.TryParse(text, out IPNetwork network)
            || network.BaseAddress.AddressFamily != AddressFamily.InterNetwork
            || !text!.StartsWith(network.BaseAddress + "/", StringComparison.Ordinal)
            || network.PrefixLength is < ShortestPrefix or > LongestPrefix)
        {
            return false;
        }

        var first = PacketAddress.From(network.BaseAddress);
        if (first.Ipv4 >> 24 is 0 or 127 or >= 224)
        {
            return false;
        }

        pool = new AddressPool(first.Ipv4, network.PrefixLength);
        return true;
    }

    /// <summary>
    /// The local routes that get in the way: they overlap the pool and are not shorter than <see cref="ShortestConflictingPrefix"/>.
    /// Pass the machine's routes without those of our own adapter.
    /// </summary>
    public IReadOnlyList<IPNetwork> FindConflicts(IEnumerable<IPNetwork> localRoutes)
    {
        ArgumentNullException.ThrowIfNull(localRoutes);
        return [.. localRoutes.Where(r => Ipv4Range.TryCreate(r, out Ipv4Range range) && range.Overlaps(_network, ~_mask | _network))];
    }

    /// <summary>A pool without conflicts to propose to the user, or null if all known ones are taken.</summary>
    public static AddressPool? SuggestWithoutConflict(IReadOnlyCollection<IPNetwork> localRoutes)
    {
        return Alternatives
            .Select(text => TryParse(text, out AddressPool? pool) ? pool : null)
            .FirstOrDefault(pool => pool is not null && pool.FindConflicts(localRoutes).Count == 0);
    }

    /// <summary>Whether the address belongs to the pool.</summary>
    public bool Contains(in PacketAddress address)
    {
        return address.IsIpv4 && (address.Ipv4 & _mask) == _network;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return Network.ToString();
    }

    /// <summary>The address whose host bits are the highest bits of <paramref name="hash"/>.</summary>
    internal uint Address(uint hash)
    {
        return _network | (hash >> PrefixLength);
    }

    internal bool IsUsable(uint address)
    {
        return (address & _mask) == _network && !VirtualAddresses.IsReserved(address);
    }

    /// <summary>All addresses after <paramref name="start"/>, wrapping round, reserved ones left out.</summary>
    internal IEnumerable<uint> Sweep(uint start)
    {
        uint count = ~_mask + 1;
        for (uint i = 1; i <= count; i++)
        {
            uint address = _network | ((start + i) & ~_mask);
            if (!VirtualAddresses.IsReserved(address))
            {
                yield return address;
            }
        }
    }
}

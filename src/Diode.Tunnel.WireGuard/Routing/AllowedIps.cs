using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.WireGuard.Routing;

/// <summary>
/// Cryptokey routing (WireGuard §2): prefix to peer, longest match, IPv4 and IPv6. Readers see an immutable snapshot
/// without a lock; changes are made one at a time. Thread-safe.
/// </summary>
public sealed class AllowedIps
{
    private const int Ipv4Length = 4;
    private const int Ipv6Length = 16;
    private const int Ipv4Shift = 96;

    private readonly Lock _gate = new();
    private PrefixTrie<Peer> _ipv4 = PrefixTrie<Peer>.Empty;
    private PrefixTrie<Peer> _ipv6 = PrefixTrie<Peer>.Empty;

    internal AllowedIps()
    {
    }

    /// <summary>Peer of an address of 4 or 16 bytes in network order; null if no prefix contains it.</summary>
    public Peer? Find(ReadOnlySpan<byte> address)
    {
        return address.Length switch
        {
            Ipv4Length => Volatile.Read(ref _ipv4).Find(ToBits(address)),
            Ipv6Length => Volatile.Read(ref _ipv6).Find(ToBits(address)),
            _ => null,
        };
    }

    /// <summary>Gives prefixes to a peer; one that belonged to another peer moves.</summary>
    internal void Add(Peer peer, IReadOnlyList<IPNetwork> prefixes)
    {
        lock (_gate)
        {
            foreach (IPNetwork prefix in prefixes)
            {
                ref PrefixTrie<Peer> trie = ref TrieOf(prefix);
                Volatile.Write(ref trie, trie.Set(ToBits(prefix), prefix.PrefixLength, peer));
            }
        }
    }

    /// <summary>Takes those prefixes away that still belong to the peer.</summary>
    internal void Remove(Peer peer, IReadOnlyList<IPNetwork> prefixes)
    {
        lock (_gate)
        {
            foreach (IPNetwork prefix in prefixes)
            {
                ref PrefixTrie<Peer> trie = ref TrieOf(prefix);
                Volatile.Write(ref trie, trie.Remove(ToBits(prefix), prefix.PrefixLength, peer));
            }
        }
    }

    private ref PrefixTrie<Peer> TrieOf(IPNetwork prefix)
    {
        if (prefix.BaseAddress.AddressFamily == AddressFamily.InterNetwork)
        {
            return ref _ipv4;
        }

        return ref _ipv6;
    }

    private static UInt128 ToBits(IPNetwork prefix)
    {
        Span<byte> bytes = stackalloc byte[Ipv6Length];
        prefix.BaseAddress.TryWriteBytes(bytes, out int written);
        return ToBits(bytes[..written]);
    }

    private static UInt128 ToBits(ReadOnlySpan<byte> address)
    {
        return address.Length == Ipv4Length
            ? (UInt128)BinaryPrimitives.ReadUInt32BigEndian(address) << Ipv4Shift
            : BinaryPrimitives.ReadUInt128BigEndian(address);
    }
}

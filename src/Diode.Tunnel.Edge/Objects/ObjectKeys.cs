using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>Keys under which objects are asked for, and their places in the DHT (reference §5.1, §5.5, §5.6).</summary>
public static class ObjectKeys
{
    private static ReadOnlySpan<byte> EmptyRlpList => [0xc0];

    /// <summary>DHT key of tickets and server objects: SHA256(address).</summary>
    public static Hash256 ToDhtKey(Address address)
    {
        Span<byte> bytes = stackalloc byte[Address.Length];
        address.CopyTo(bytes);
        return Hash256.Sha256(bytes);
    }

    /// <summary>DHT key of channels and data objects: SHA256(object key).</summary>
    public static Hash256 ToDhtKey(in Hash256 objectKey)
    {
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        objectKey.CopyTo(bytes);
        return Hash256.Sha256(bytes);
    }

    /// <summary>Object key of a data object: SHA256("data" | owner | name).</summary>
    public static Hash256 ForData(Address owner, ReadOnlySpan<byte> name)
    {
        return Hash256.Sha256([.. "data"u8, .. owner.ToArray(), .. name]);
    }

    /// <summary>
    /// Object key of a channel: SHA256(fleet | type | name | KECCAK(RLP(parameters))); parameters are always the empty
    /// list.
    /// </summary>
    public static Hash256 ForChannel(Address fleet, string type, ReadOnlySpan<byte> name)
    {
        return Hash256.Sha256(
        [
            .. fleet.ToArray(),
            .. Encoding.UTF8.GetBytes(type),
            .. name,
            .. Keccak256.Hash(EmptyRlpList).ToArray(),
        ]);
    }
}

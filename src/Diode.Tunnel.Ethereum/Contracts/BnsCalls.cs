using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum.Abi;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>Calls of a BNS contract (v321) and what they return. Pure; answers are untrusted and never throw.</summary>
public static class BnsCalls
{
    /// <summary>Most destinations that are read.</summary>
    public const int MaxDestinations = 128;

    private const int MaxProperties = 1024;

    /// <summary>Entry of a name.</summary>
    public static byte[] ResolveEntry(string name) => Named("ResolveEntry(string)", name);

    /// <summary>Destinations of a name.</summary>
    public static byte[] ResolveAll(string name) => Named("ResolveAll(string)", name);

    /// <summary>Owner of a name.</summary>
    public static byte[] ResolveOwner(string name) => Named("ResolveOwner(string)", name);

    /// <summary>Name stored for an address; check that it points back.</summary>
    public static byte[] ResolveReverse(Address address) =>
        new AbiWriter("ResolveReverse(address)").WriteAddress(address).ToArray();

    /// <summary>Takes a free name, or changes the destinations of an own one.</summary>
    public static byte[] Register(string name, IReadOnlyCollection<Address> destinations) =>
        new AbiWriter("RegisterMultiple(string,address[])").WriteString(name).WriteAddresses(destinations).ToArray();

    /// <summary>Gives a name back.</summary>
    public static byte[] Unregister(string name) => Named("Unregister(string)", name);

    /// <summary>Gives a name to somebody.</summary>
    public static byte[] TransferOwner(string name, Address owner) =>
        new AbiWriter("TransferOwner(string,address)").WriteString(name).WriteAddress(owner).ToArray();

    /// <summary>Moves an entry to another name.</summary>
    public static byte[] Rename(string name, string newName) =>
        new AbiWriter("Rename(string,string)").WriteString(name).WriteString(newName).ToArray();

    /// <summary>Sets the property <c>key=value</c>.</summary>
    public static byte[] SetProperty(string name, string key, string value) =>
        new AbiWriter("SetPropertyKV(string,string,string)").WriteString(name).WriteString(key).WriteString(value).ToArray();

    /// <summary>Names an address that the name points to.</summary>
    public static byte[] RegisterReverse(Address address, string name) =>
        new AbiWriter("RegisterReverse(address,string)").WriteAddress(address).WriteString(name).ToArray();

    /// <summary>Takes the name of an address away.</summary>
    public static byte[] UnregisterReverse(Address address) =>
        new AbiWriter("UnregisterReverse(address)").WriteAddress(address).ToArray();

    /// <summary>Reads what <see cref="ResolveEntry"/> returned; an entry without owner is a free name.</summary>
    public static bool TryReadEntry(ReadOnlySpan<byte> data, [NotNullWhen(true)] out BnsEntry? entry)
    {
        entry = null;
        var reader = new AbiReader(data);
        if (!reader.TryReadTuple(out AbiReader members)
            || !members.TryReadAddress(out Address destination)
            || !members.TryReadAddress(out Address owner)
            || !members.TryReadString(out string? name)
            || !members.TryReadAddresses(MaxDestinations, out Address[]? destinations)
            || !members.TryReadStrings(MaxProperties, out string[]? properties)
            || !members.TryReadUInt64(out ulong lockEnd)
            || !members.TryReadUInt64(out ulong leaseEnd))
        {
            return false;
        }

        // Entries of the first contract version have one destination and no list.
        Address[] all = destinations.Length > 0 || destination.IsZero ? destinations : [destination];
        entry = new BnsEntry(owner, name, all, properties, lockEnd, leaseEnd);
        return true;
    }

    /// <summary>Reads what <see cref="ResolveAll"/> returned, without zero addresses.</summary>
    public static bool TryReadDestinations(ReadOnlySpan<byte> data, [NotNullWhen(true)] out Address[]? destinations)
    {
        var reader = new AbiReader(data);
        bool read = reader.TryReadAddresses(MaxDestinations, out destinations);
        destinations = destinations?.Where(static address => !address.IsZero).ToArray();
        return read;
    }

    private static byte[] Named(string signature, string name) => new AbiWriter(signature).WriteString(name).ToArray();
}

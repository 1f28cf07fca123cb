using System.Buffers.Binary;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>Where Solidity keeps things, and where the contracts of the Diode network keep theirs (diode-contracts §11.2, 11.3, 11.6).</summary>
public static class StorageSlots
{
    /// <summary>Block number of the last change, in contracts that keep it.</summary>
    public static readonly Hash256 ChangeTracker =
        Hash256.Parse("0x1e4717b2dc5dfd7f487f2043bfe9999372d693bf4d9c51b5b84f1377939cd487");

    /// <summary>Operator of a fleet.</summary>
    public static readonly Hash256 FleetOperator = At(1);

    /// <summary>Accountant of a fleet.</summary>
    public static readonly Hash256 FleetAccountant = At(2);

    /// <summary>Devices of a fleet that lists them (our contract): length here, elements by <see cref="Element"/>.</summary>
    public static readonly Hash256 FleetDevices = At(8);

    /// <summary>Owner of a drive or an identity.</summary>
    public static readonly Hash256 GroupOwner = At(51);

    /// <summary>Members of a drive or an identity: length here, elements by <see cref="Element"/>.</summary>
    public static readonly Hash256 GroupMembers = At(53);

    /// <summary>Number of names in the index of a BNS.</summary>
    public static readonly Hash256 BnsIndex = At(3);

    private const ulong FleetAllowlist = 6;
    private const ulong BnsNames = 1;
    private const ulong BnsReverse = 2;

    /// <summary>A slot by its number.</summary>
    public static Hash256 At(ulong number)
    {
        Span<byte> word = stackalloc byte[Hash256.Length];
        word.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(word[^sizeof(ulong)..], number);
        return new Hash256(word);
    }

    /// <summary>The value of a key in the mapping at a slot.</summary>
    public static Hash256 Mapping(in Hash256 key, ulong slot)
    {
        Span<byte> words = stackalloc byte[2 * Hash256.Length];
        key.CopyTo(words);
        At(slot).CopyTo(words[Hash256.Length..]);
        return Keccak256.Hash(words);
    }

    /// <summary>The value of an address in the mapping at a slot.</summary>
    public static Hash256 Mapping(Address key, ulong slot) => Mapping(Pad(key), slot);

    /// <summary>Element of the dynamic array whose length is at <paramref name="array"/>; elements of one slot each.</summary>
    public static Hash256 Element(in Hash256 array, ulong index) => Next(Keccak256.Hash(array.ToArray()), index);

    /// <summary>The slot <paramref name="offset"/> behind another.</summary>
    public static Hash256 Next(in Hash256 slot, ulong offset)
    {
        byte[] bytes = slot.ToArray();
        UInt128 carry = offset;
        for (int i = bytes.Length - 1; i >= 0 && carry > 0; i--)
        {
            carry += bytes[i];
            bytes[i] = (byte)carry;
            carry >>= 8;
        }

        return new Hash256(bytes);
    }

    /// <summary>Whether a fleet lets a device in: 1 if so.</summary>
    public static Hash256 FleetMember(Address device) => Mapping(device, FleetAllowlist);

    /// <summary>First slot of a name's entry: destination; then owner, name, destinations, properties, lock end, lease end.</summary>
    /// <param name="nameHash">See <see cref="BnsName.Hash"/>.</param>
    public static Hash256 BnsEntry(in Hash256 nameHash) => Mapping(nameHash, BnsNames);

    /// <summary>Reverse name of an address (a string).</summary>
    public static Hash256 BnsReverseName(Address address) => Mapping(address, BnsReverse);

    /// <summary>An address as the word that holds it.</summary>
    public static Hash256 Pad(Address address)
    {
        Span<byte> word = stackalloc byte[Hash256.Length];
        word.Clear();
        address.CopyTo(word[^Address.Length..]);
        return new Hash256(word);
    }

    /// <summary>The address in a word; false when its upper 12 bytes are not zero.</summary>
    public static bool TryReadAddress(in Hash256 word, out Address address)
    {
        byte[] bytes = word.ToArray();
        bool fits = !bytes.AsSpan(0, Hash256.Length - Address.Length).ContainsAnyExcept((byte)0);
        address = fits ? new Address(bytes.AsSpan(Hash256.Length - Address.Length)) : default;
        return fits;
    }

    /// <summary>The number in a word; false when it has more than 64 bits.</summary>
    public static bool TryReadUInt64(in Hash256 word, out ulong value)
    {
        byte[] bytes = word.ToArray();
        value = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(Hash256.Length - sizeof(ulong)));
        return !bytes.AsSpan(0, Hash256.Length - sizeof(ulong)).ContainsAnyExcept((byte)0);
    }
}

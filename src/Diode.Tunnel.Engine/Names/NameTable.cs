using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Names;

/// <summary>
/// The names this machine knows under <c>.diode</c> and the way back from virtual addresses. Immutable; build a new one when fleets
/// or addresses change.
/// </summary>
/// <remarks>
/// <c>LABEL.FLEET.diode</c>, <c>LABEL.diode</c> if the label means the same device in every fleet, <c>0xADDRESS.diode</c> for every
/// device of the address book; <c>FLEET.diode</c> for all members of a fleet that is a name of a chain. Of two fleets with one name the first has it; see <see cref="Conflicts"/>.
/// </remarks>
public sealed class NameTable
{
    /// <summary>The top-level name.</summary>
    public const string Zone = "diode";

    private readonly AddressBook? _book;
    private readonly FrozenDictionary<string, ImmutableArray<Address>> _names;
    private readonly FrozenDictionary<PacketAddress, string> _reverse;

    private NameTable(
        AddressBook? book,
        Dictionary<string, ImmutableArray<Address>> names,
        Dictionary<PacketAddress, string> reverse,
        ImmutableArray<string> conflicts)
    {
        _book = book;
        _names = names.ToFrozenDictionary();
        _reverse = reverse.ToFrozenDictionary();
        Conflicts = conflicts;
    }

    /// <summary>No names.</summary>
    public static NameTable Empty { get; } = new(null, [], [], []);

    /// <summary>Names that are not answered as one might expect, in words for status.</summary>
    public ImmutableArray<string> Conflicts { get; }

    /// <summary>Builds a table.</summary>
    /// <param name="fleets">Fleets in order of precedence.</param>
    /// <param name="book">The addresses; devices that are not in it don't resolve.</param>
    /// <param name="aliases">More names directly under the zone (BNS names), each for one or several devices; fleets' names come first.</param>
    public static NameTable Create(
        IEnumerable<FleetSnapshot> fleets, AddressBook book, IEnumerable<KeyValuePair<string, ImmutableArray<Address>>>? aliases = null)
    {
        ArgumentNullException.ThrowIfNull(fleets);
        ArgumentNullException.ThrowIfNull(book);
        var names = new Dictionary<string, ImmutableArray<Address>>();
        var shortNames = new Dictionary<string, Address?>();
        var reverseNames = new Dictionary<Address, string>();
        var conflicts = ImmutableArray.CreateBuilder<string>();
        foreach (FleetSnapshot fleet in fleets)
        {
            // The fleet itself exists even without records, so that "x.fleet" is not denied together with it (RFC 8020).
            if (!names.TryAdd(fleet.Name, fleet.IsName ? [.. fleet.Members.Select(static m => m.Device)] : []))
            {
                conflicts.Add($"two fleets are called '{fleet.Name}': names of {fleet.Fleet} are answered only where the first has none");
            }

            foreach (FleetMember member in fleet.Members)
            {
                string name = $"{member.Label}.{fleet.Name}";
                if (names.TryAdd(name, [member.Device]))
                {
                    reverseNames.TryAdd(member.Device, name);
                }

                if (shortNames.TryGetValue(member.Label, out Address? known) && known != member.Device)
                {
                    shortNames[member.Label] = null;
                    conflicts.Add($"'{member.Label}.{Zone}' is several devices: use {member.Label}.<fleet>.{Zone}");
                }
                else
                {
                    shortNames[member.Label] = member.Device;
                }
            }
        }

        foreach ((string label, Address? device) in shortNames)
        {
            if (device is { } only)
            {
                names[label] = [only];
            }
        }

        foreach ((string name, ImmutableArray<Address> devices) in aliases ?? [])
        {
            names.TryAdd(name, devices);
        }

        return new NameTable(book, names, Reverse(book, reverseNames), conflicts.ToImmutable());
    }

    /// <summary>The devices behind a name under the zone (given without it), and whether the name exists at all.</summary>
    public bool TryFind(string name, out ImmutableArray<Address> devices)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (_names.TryGetValue(name, out devices))
        {
            return true;
        }

        if (Address.TryParse(name, out Address device) && _book?.Find(device) is not null)
        {
            devices = [device];
            return true;
        }

        devices = [];
        return false;
    }

    /// <summary>The addresses of a device on this machine, or null.</summary>
    public AddressBookEntry? AddressesOf(in Address device)
    {
        return _book?.Find(device);
    }

    /// <summary>The full name (with zone) of a virtual address of this machine, or null.</summary>
    public string? NameOf(in PacketAddress address)
    {
        return _reverse.GetValueOrDefault(address);
    }

    /// <summary>Whether an address is ours to answer for, known or not: in the pool or in the product prefix.</summary>
    public bool IsVirtual(in PacketAddress address)
    {
        return (_book?.Pool ?? AddressPool.Default).Contains(address) || VirtualAddresses.IsInIpv6Prefix(address);
    }

    /// <summary>Reads <c>4.3.2.1.in-addr.arpa</c> and the nibble form under <c>ip6.arpa</c>.</summary>
    internal static bool TryParseReverse(string name, out PacketAddress address)
    {
        address = default;
        string[] parts = name.Split('.');
        Span<byte> bytes = stackalloc byte[16];
        if (parts.Length == 6 && name.EndsWith(".in-addr.arpa", StringComparison.Ordinal))
        {
            for (int i = 0; i < 4; i++)
            {
                if (!byte.TryParse(parts[3 - i], NumberStyles.None, CultureInfo.InvariantCulture, out bytes[i]))
                {
                    return false;
                }
            }

            return PacketAddress.TryRead(bytes[..4], out address);
        }

        if (parts.Length != 34 || !name.EndsWith(".ip6.arpa", StringComparison.Ordinal))
        {
            return false;
        }

        for (int i = 0; i < 32; i++)
        {
            string part = parts[31 - i];
            if (part.Length != 1 || !char.IsAsciiHexDigitLower(part[0]))
            {
                return false;
            }

            int nibble = part[0] <= '9' ? part[0] - '0' : part[0] - 'a' + 10;
            bytes[i / 2] = (byte)((bytes[i / 2] << 4) | nibble);
        }

        return PacketAddress.TryRead(bytes, out address);
    }

    private static Dictionary<PacketAddress, string> Reverse(AddressBook book, Dictionary<Address, string> names)
    {
        var reverse = new Dictionary<PacketAddress, string>();
        Add(book.Self);
        foreach (AddressBookEntry entry in book.Entries)
        {
            Add(entry);
        }

        return reverse;

        void Add(AddressBookEntry entry)
        {
            string name = $"{names.GetValueOrDefault(entry.Device) ?? entry.Device.ToString()}.{Zone}";
            reverse.TryAdd(entry.Ipv6, name);
            if (!entry.LocalIpv4.IsNone)
            {
                reverse.TryAdd(entry.LocalIpv4, name);
            }
        }
    }
}

using System.Net;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>
/// Which device has which virtual address on this machine. An immutable snapshot: build a new one when members, pool or local
/// routes change, passing the old one so that aliases stay, and publish it with one reference write.
/// </summary>
/// <remarks>Lookups are lock-free, allocate nothing and cost the same for ten devices and for ten thousand.</remarks>
public sealed class AddressBook
{
    private readonly AddressIndex _byAddress;
    private readonly Dictionary<Address, int> _byDevice;
    private readonly AddressBookEntry[] _entries;

    private AddressBook(AddressBookEntry self, AddressBookEntry[] entries, AddressPool pool)
    {
        Self = self;
        Pool = pool;
        _entries = entries;
        _byDevice = new Dictionary<Address, int>(entries.Length);
        _byAddress = new AddressIndex(entries.Length * 2);
        for (int i = 0; i < entries.Length; i++)
        {
            _byDevice.Add(entries[i].Device, i);
            _byAddress.Add(entries[i].Ipv6, i);
            if (!entries[i].LocalIpv4.IsNone)
            {
                _byAddress.Add(entries[i].LocalIpv4, i);
            }
        }
    }

    /// <summary>This device. Its local IPv4 differs from its own only when the pool is not the default one.</summary>
    public AddressBookEntry Self { get; }

    /// <summary>The other devices, in the order given to <see cref="Build"/> (duplicates and this device left out).</summary>
    public ReadOnlySpan<AddressBookEntry> Entries => _entries;

    /// <summary>The pool local IPv4 addresses come from.</summary>
    public AddressPool Pool { get; }

    /// <summary>Builds a snapshot.</summary>
    /// <param name="self">This device.</param>
    /// <param name="devices">The others, in a stable order: the earlier of two that collide keeps its own address.</param>
    /// <param name="pool">Where local addresses come from.</param>
    /// <param name="localRoutes">Routes of this machine (without our adapter's) that must not be shadowed.</param>
    /// <param name="previous">The snapshot in force, or null: a device keeps the local address it has there while it is usable.</param>
    public static AddressBook Build(
        Address self,
        IEnumerable<Address> devices,
        AddressPool pool,
        IEnumerable<IPNetwork> localRoutes,
        AddressBook? previous = null)
    {
        ArgumentNullException.ThrowIfNull(devices);
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(localRoutes);
        var builder = new AddressBookBuilder(pool, localRoutes);
        AddressBookEntry selfEntry = builder.PlaceSelf(self);
        AddressBookEntry[] entries = builder.Place([.. devices.Distinct().Where(d => d != self)], previous);
        return new AddressBook(selfEntry, entries, pool);
    }

    /// <summary>Finds the device behind a virtual address of this machine (local IPv4 or IPv6).</summary>
    /// <param name="address">Destination of an outbound packet.</param>
    /// <param name="index">Index into <see cref="Entries"/>.</param>
    public bool TryFind(in PacketAddress address, out int index)
    {
        return _byAddress.TryFind(address, out index);
    }

    /// <summary>As <see cref="TryFind(in PacketAddress, out int)"/>, from 4 or 16 network-order bytes.</summary>
    public bool TryFind(ReadOnlySpan<byte> address, out int index)
    {
        index = -1;
        return PacketAddress.TryRead(address, out PacketAddress value) && _byAddress.TryFind(value, out index);
    }

    /// <summary>Finds a device by its identity.</summary>
    public bool TryFind(in Address device, out int index)
    {
        if (_byDevice.TryGetValue(device, out index))
        {
            return true;
        }

        index = -1;
        return false;
    }

    /// <summary>The entry of a device, this one included, or null.</summary>
    public AddressBookEntry? Find(in Address device)
    {
        return device == Self.Device ? Self : _byDevice.TryGetValue(device, out int index) ? _entries[index] : null;
    }

    /// <summary>Whether the address is one of this device's local addresses.</summary>
    public bool IsSelf(in PacketAddress address)
    {
        return address == Self.LocalIpv4 || address == Self.Ipv6;
    }
}

using System.Net;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>Gives every device a local IPv4 address: its own if it is free here, the one it had before, or a new alias.</summary>
internal sealed class AddressBookBuilder
{
    private const int HashedAliasAttempts = 32;

    private readonly AddressPool _pool;
    private readonly Ipv4Range[] _routes;
    private readonly HashSet<uint> _given = [];
    private readonly HashSet<uint> _wanted = [];
    private uint _selfOwn;
    private bool _exhausted;

    public AddressBookBuilder(AddressPool pool, IEnumerable<IPNetwork> localRoutes)
    {
        _pool = pool;
        var routes = new List<Ipv4Range>();
        foreach (IPNetwork route in localRoutes)
        {
            if (Ipv4Range.TryCreate(route, out Ipv4Range range))
            {
                routes.Add(range);
            }
        }

        _routes = [.. routes];
    }

    public AddressBookEntry PlaceSelf(Address self)
    {
        PacketAddress own = VirtualAddresses.Ipv4(self);
        _selfOwn = own.Ipv4;
        PacketAddress local = own;
        if (!_pool.IsDefault)
        {
            local = FirstFree(self);
        }

        if (!local.IsNone)
        {
            _given.Add(local.Ipv4);
        }

        return new AddressBookEntry(self, own, local, _pool.IsDefault ? AliasReason.None : AliasReason.OtherPool);
    }

    public AddressBookEntry[] Place(Address[] devices, AddressBook? previous)
    {
        var own = new PacketAddress[devices.Length];
        var entries = new AddressBookEntry?[devices.Length];
        for (int i = 0; i < devices.Length; i++)
        {
            own[i] = VirtualAddresses.Ipv4(devices[i]);
            entries[i] = KeepPrevious(devices[i], own[i], previous);
        }

        foreach (PacketAddress address in own)
        {
            _wanted.Add(address.Ipv4);
        }

        // Own addresses first, aliases after: nobody loses its own address to somebody else's alias.
        var reasons = new AliasReason[devices.Length];
        for (int i = 0; i < devices.Length; i++)
        {
            if (entries[i] is null && (reasons[i] = WhyNotOwn(own[i].Ipv4)) == AliasReason.None)
            {
                _given.Add(own[i].Ipv4);
                entries[i] = new AddressBookEntry(devices[i], own[i], own[i], AliasReason.None);
            }
        }

        for (int i = 0; i < devices.Length; i++)
        {
            if (entries[i] is null)
            {
                PacketAddress alias = FirstFree(devices[i]);
                if (!alias.IsNone)
                {
                    _given.Add(alias.Ipv4);
                }

                entries[i] = new AddressBookEntry(devices[i], own[i], alias, reasons[i]);
            }
        }

        return entries!;
    }

    private AddressBookEntry? KeepPrevious(Address device, PacketAddress own, AddressBook? previous)
    {
        PacketAddress local = previous?.Find(device)?.LocalIpv4 ?? default;
        if (local.IsNone || !_pool.Contains(local) || IsRouted(local.Ipv4) || local.Ipv4 == _selfOwn || !_given.Add(local.Ipv4))
        {
            return null;
        }

        return new AddressBookEntry(device, own, local, local == own ? AliasReason.None : AliasReason.Kept);
    }

    private AliasReason WhyNotOwn(uint own)
    {
        return !_pool.IsDefault ? AliasReason.OtherPool
            : own == _selfOwn ? AliasReason.CollidesWithSelf
            : IsRouted(own) ? AliasReason.LocalRoute
            : _given.Contains(own) ? AliasReason.CollidesWithPeer
            : AliasReason.None;
    }

    private PacketAddress FirstFree(Address device)
    {
        var candidates = new Ipv4Candidates(device, _pool);
        uint candidate = 0;
        for (int i = 0; i < HashedAliasAttempts; i++)
        {
            candidate = candidates.Next();
            if (IsFree(candidate) && !_wanted.Contains(candidate))
            {
                return PacketAddress.FromIpv4(candidate);
            }
        }

        // The pool is nearly full or nearly all routed away: take whatever is left.
        _exhausted |= _routes.Any(Covers);
        foreach (uint address in _exhausted ? [] : _pool.Sweep(candidate))
        {
            if (IsFree(address))
            {
                return PacketAddress.FromIpv4(address);
            }
        }

        _exhausted = true;
        return default;
    }

    private bool IsFree(uint address)
    {
        return address != _selfOwn && !_given.Contains(address) && !IsRouted(address);
    }

    private bool IsRouted(uint address)
    {
        foreach (Ipv4Range route in _routes)
        {
            if (route.Contains(address))
            {
                return true;
            }
        }

        return false;
    }

    private bool Covers(Ipv4Range route)
    {
        return route.Contains(_pool.Address(0)) && route.Contains(_pool.Address(uint.MaxValue));
    }
}

using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>The virtual addresses of one device as seen from this machine. Immutable.</summary>
public sealed class AddressBookEntry
{
    internal AddressBookEntry(Address device, PacketAddress ownIpv4, PacketAddress localIpv4, AliasReason reason)
    {
        Device = device;
        OwnIpv4 = ownIpv4;
        LocalIpv4 = localIpv4;
        AliasReason = reason;
        Ipv6 = VirtualAddresses.Ipv6(device);
    }

    /// <summary>The device.</summary>
    public Address Device { get; }

    /// <summary>The IPv4 address that packets between devices carry.</summary>
    public PacketAddress OwnIpv4 { get; }

    /// <summary>The IPv4 address used on this machine; unset (<see cref="PacketAddress.IsNone"/>) if the pool had none left.</summary>
    public PacketAddress LocalIpv4 { get; }

    /// <summary>The IPv6 address, the same everywhere.</summary>
    public PacketAddress Ipv6 { get; }

    /// <summary>Whether packets have to be translated between <see cref="LocalIpv4"/> and <see cref="OwnIpv4"/>.</summary>
    public bool IsAliased => LocalIpv4 != OwnIpv4;

    /// <summary>Why there is an alias.</summary>
    public AliasReason AliasReason { get; }

    /// <inheritdoc/>
    public override string ToString()
    {
        return $"{Device} {LocalIpv4} {Ipv6}";
    }
}

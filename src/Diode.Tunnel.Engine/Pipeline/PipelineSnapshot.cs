using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.PlainPeers;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>Everything the packet path looks up. Immutable; the engine swaps it as a whole.</summary>
internal sealed class PipelineSnapshot(AddressBook book, TunnelPeer?[] peers, TunnelPeer? exit, ExitFamilies exitFamilies)
{
    /// <summary>Virtual addresses of this machine.</summary>
    public AddressBook Book { get; } = book;

    /// <summary>Peers in the order of <see cref="AddressBook.Entries"/>.</summary>
    public TunnelPeer?[] Peers { get; } = peers;

    /// <summary>Plain Diode devices in the order of <see cref="AddressBook.Entries"/>; may be empty.</summary>
    public PlainTarget?[] Plain { get; init; } = [];

    /// <summary>Where everything else goes; null without an exit in use.</summary>
    public TunnelPeer? Exit { get; } = exit;

    /// <summary>What the exit carries.</summary>
    public ExitFamilies ExitFamilies { get; } = exitFamilies;
}

/// <summary>Address families an exit carries.</summary>
[Flags]
internal enum ExitFamilies
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>IPv4.</summary>
    Ipv4 = 1,

    /// <summary>IPv6.</summary>
    Ipv6 = 2,
}

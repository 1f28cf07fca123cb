using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// One change to the operating system that can be described, made, and taken back. Values compare by
/// <see cref="Identity"/>, not by record equality, where it matters.
/// </summary>
public abstract record SystemChange
{
    /// <summary>Name of the kind in the journal.</summary>
    internal abstract string Kind { get; }

    /// <summary>What is changed. A later change with the same identity replaces the earlier one.</summary>
    internal abstract string Identity { get; }

    /// <summary>
    /// True if the change stays in force on purpose when the process dies, until its owner replaces it or a recovery
    /// without a say removes it.
    /// </summary>
    public virtual bool SurvivesCrash { get; init; }
}

/// <summary>Brings an interface up or down and/or sets its MTU.</summary>
/// <param name="InterfaceName">The interface.</param>
/// <param name="Mtu">MTU in bytes; null leaves it.</param>
/// <param name="IsUp">True for up, false for down, null leaves it.</param>
public sealed record LinkChange(string InterfaceName, int? Mtu = null, bool? IsUp = null) : SystemChange
{
    internal override string Kind => "link";

    internal override string Identity => $"link {InterfaceName} {(Mtu is null ? "" : "mtu")} {(IsUp is null ? "" : "up")}";
}

/// <summary>Gives an address to an interface (no duplicate address detection for IPv6).</summary>
/// <param name="InterfaceName">The interface.</param>
/// <param name="Address">IPv4 or IPv6 address.</param>
/// <param name="PrefixLength">Length of the on-link prefix; the kernel adds its route.</param>
public sealed record AddressChange(string InterfaceName, IPAddress Address, int PrefixLength) : SystemChange
{
    internal override string Kind => "address";

    internal override string Identity => $"address {InterfaceName} {Address}/{PrefixLength}";
}

/// <summary>What a route does with a packet.</summary>
public enum RouteType
{
    /// <summary>Sends it on.</summary>
    Unicast,

    /// <summary>Refuses it with "host unreachable".</summary>
    Unreachable,

    /// <summary>Drops it silently.</summary>
    Blackhole,

    /// <summary>Continues with the next policy rule.</summary>
    Throw,
}

/// <summary>Adds a route.</summary>
/// <param name="Destination">The prefix.</param>
/// <param name="InterfaceName">Outgoing interface; null for types other than unicast, or if the gateway tells.</param>
/// <param name="Gateway">Next hop; null if on-link.</param>
/// <param name="Table">Routing table; 254 is the main table.</param>
/// <param name="Metric">Priority, lower wins; 0 leaves it to the kernel (IPv6: 1024).</param>
/// <param name="Type">What the route does.</param>
public sealed record RouteChange(
    IPNetwork Destination,
    string? InterfaceName,
    IPAddress? Gateway = null,
    uint Table = RouteChange.MainTable,
    uint Metric = 0,
    RouteType Type = RouteType.Unicast) : SystemChange
{
    /// <summary>The table of ordinary routes.</summary>
    public const uint MainTable = 254;

    internal override string Kind => "route";

    internal override string Identity =>
        $"route {Type} {Destination} via {Gateway} dev {InterfaceName} table {Table} metric {Metric}";
}

/// <summary>Adds a policy routing rule: packets that match look into <paramref name="Table"/>.</summary>
/// <param name="Family">InterNetwork or InterNetworkV6.</param>
/// <param name="Priority">Position; lower is asked first.</param>
/// <param name="Table">The routing table asked; 0 with <see cref="IsUnreachable"/>.</param>
public sealed record RuleChange(AddressFamily Family, uint Priority, uint Table) : SystemChange
{
    /// <summary>Matches packets with this mark; null matches all.</summary>
    public uint? FirewallMark { get; init; }

    /// <summary>The bits of the mark that are compared.</summary>
    public uint FirewallMask { get; init; } = uint.MaxValue;

    /// <summary>Matches what does not match.</summary>
    public bool Invert { get; init; }

    /// <summary>Ignores routes of the table that are not longer than this; 0 ignores default routes.</summary>
    public int? SuppressPrefixLength { get; init; }

    /// <summary>Matches packets that came in over this interface; "lo" means packets of this machine.</summary>
    public string? IncomingInterface { get; init; }

    /// <summary>Matches packets of sockets bound to this interface.</summary>
    public string? OutgoingInterface { get; init; }

    /// <summary>Refuses what matches with "network unreachable" instead of asking a table.</summary>
    public bool IsUnreachable { get; init; }

    internal override string Kind => "rule";

    internal override string Identity =>
        $"rule {Family} {Priority} table {Table} mark {FirewallMark}/{FirewallMask} not {Invert} suppress "
        + $"{SuppressPrefixLength} iif {IncomingInterface} oif {OutgoingInterface} unreachable {IsUnreachable}";
}

/// <summary>Owns one nftables table: made, replaced and removed as a whole in one transaction.</summary>
/// <param name="Family">inet, ip or ip6.</param>
/// <param name="Name">Name of the table.</param>
/// <param name="Body">What stands between the braces of the table.</param>
public sealed record TableChange(string Family, string Name, string Body) : SystemChange
{
    internal override string Kind => "table";

    internal override string Identity => $"table {Family} {Name}";
}

/// <summary>Sets a kernel parameter; taken back only if nobody changed it since.</summary>
/// <param name="Key">Path below /proc/sys with slashes, for example <c>net/ipv4/ip_forward</c>.</param>
/// <param name="Value">The value, without line end.</param>
public sealed record SysctlChange(string Key, string Value) : SystemChange
{
    internal override string Kind => "sysctl";

    internal override string Identity => $"sysctl {Key}";
}

/// <summary>Makes servers of ours answer the machine's DNS questions.</summary>
/// <param name="InterfaceName">The adapter the servers belong to.</param>
/// <param name="Servers">The servers, as they are written to the resolver's configuration.</param>
/// <param name="SplitDomains">Domains to ask the servers for, without dots around; unused if all questions are.</param>
/// <param name="IsCatchAll">True if every question goes to the servers.</param>
public sealed record ResolverChange(
    string InterfaceName,
    IReadOnlyList<IPAddress> Servers,
    IReadOnlyList<string> SplitDomains,
    bool IsCatchAll) : SystemChange
{
    internal override string Kind => "resolver";

    internal override string Identity => "resolver";
}

using System.Globalization;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Dns;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Makes changes on Linux: netlink for links, addresses, routes and rules; one <c>nft -f -</c> per table; files below
/// /proc/sys; the resolver through <see cref="LinuxResolver"/>.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class LinuxChangeExecutor : ISystemChangeExecutor
{
    /// <summary>Stands in the journal for "was there before us": taking back leaves it.</summary>
    private const string Present = "present";

    private readonly LinuxResolver _resolver;

    /// <summary>Creates the executor.</summary>
    /// <param name="resolverPaths">Places of the resolver's files; null for the system's.</param>
    public LinuxChangeExecutor(ResolverPaths? resolverPaths = null) =>
        _resolver = new LinuxResolver(resolverPaths ?? new ResolverPaths());

    /// <inheritdoc/>
    public string? Capture(SystemChange change) => change switch
    {
        LinkChange link => CaptureLink(link),
        AddressChange address => RtNetlinkQuery.HasAddress(address) ? Present : null,
        RouteChange route => RtNetlinkQuery.HasRoute(route) ? Present : null,
        RuleChange rule => RtNetlinkQuery.HasRule(rule) ? Present : null,
        TableChange => null,
        SysctlChange sysctl => Sysctl.Read(sysctl.Key),
        ResolverChange resolver => _resolver.Capture(resolver),
        _ => throw Unsupported(change),
    };

    /// <inheritdoc/>
    public string? Refresh(SystemChange change, string? before) =>
        change is ResolverChange resolver ? _resolver.Refresh(resolver, before) : before;

    /// <inheritdoc/>
    public void Apply(SystemChange change, string? before)
    {
        switch (change)
        {
            case LinkChange link:
                RtNetlink.SetLink(link.InterfaceName, link.Mtu, link.IsUp);
                break;
            case AddressChange address:
                RtNetlink.AddAddress(address);
                break;
            case RouteChange route:
                RtNetlink.AddRoute(route);
                break;
            case RuleChange rule:
                RtNetlink.AddRule(rule);
                break;
            case TableChange table:
                Nftables.Replace(table);
                break;
            case SysctlChange sysctl:
                Sysctl.Write(sysctl.Key, sysctl.Value);
                break;
            case ResolverChange resolver:
                _resolver.Apply(resolver, before);
                break;
            default:
                throw Unsupported(change);
        }
    }

    /// <inheritdoc/>
    public void Undo(SystemChange change, string? before)
    {
        switch (change)
        {
            case LinkChange link:
                UndoLink(link, before);
                break;
            case AddressChange address when before != Present:
                RtNetlink.DeleteAddress(address);
                break;
            case RouteChange route when before != Present:
                RtNetlink.DeleteRoute(route);
                break;
            case RuleChange rule when before != Present:
                RtNetlink.DeleteRule(rule);
                break;
            case AddressChange or RouteChange or RuleChange:
                break;
            case TableChange table:
                Nftables.Delete(table);
                break;
            case SysctlChange sysctl:
                Sysctl.Restore(sysctl.Key, sysctl.Value, before);
                break;
            case ResolverChange resolver:
                _resolver.Undo(resolver, before);
                break;
            default:
                throw Unsupported(change);
        }
    }

    private static string? CaptureLink(LinkChange link)
    {
        foreach (InterfaceSnapshot entry in RtNetlinkQuery.ReadInterfaces())
        {
            if (entry.Name == link.InterfaceName)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{entry.Mtu} {(entry.IsUp ? "up" : "down")}");
            }
        }

        return null;
    }

    private static void UndoLink(LinkChange link, string? before)
    {
        if (before is null || RtNetlink.IndexOf(link.InterfaceName) is null)
        {
            return;
        }

        int space = before.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0 || !int.TryParse(before.AsSpan(0, space), CultureInfo.InvariantCulture, out int mtu))
        {
            return;
        }

        try
        {
            RtNetlink.SetLink(
                link.InterfaceName,
                link.Mtu is null ? null : mtu,
                link.IsUp is null ? null : before.AsSpan(space + 1).SequenceEqual("up"));
        }
        catch (PlatformException gone) when (gone.Errno == Libc.ENODEV)
        {
            // Deleted in between.
        }
    }

    private static NotSupportedException Unsupported(SystemChange change) => new($"Unknown change '{change.Kind}'.");
}

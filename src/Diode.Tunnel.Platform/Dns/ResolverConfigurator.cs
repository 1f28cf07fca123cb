using System.Net;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Platform.Dns;

/// <summary>
/// Makes our resolver answer the machine's questions and remembers whom to forward the others to. Thread-safe as far
/// as <see cref="SystemChanges"/> is.
/// </summary>
/// <param name="changes">The journal every change goes through.</param>
/// <param name="scope">Scope of the changes.</param>
/// <param name="paths">Places of the resolver's files; the same as the executor's. Null for the system's.</param>
[SupportedOSPlatform("linux")]
public sealed class ResolverConfigurator(SystemChanges changes, string scope = "dns", ResolverPaths? paths = null)
{
    private readonly LinuxResolver _resolver = new(paths ?? new ResolverPaths());
    private ResolverChange? _change;

    /// <summary>How questions are redirected on this machine now.</summary>
    public ResolverMode Mode => _resolver.DetectMode();

    /// <summary>
    /// The servers the machine asked before us (or would ask without us), read anew each time; never one of ours.
    /// </summary>
    /// <exception cref="PlatformException">The configuration cannot be read.</exception>
    public IReadOnlyList<IPAddress> ReadUpstreams() => _resolver.ReadUpstreams(_change?.Servers ?? []);

    /// <summary>Redirects questions to our servers.</summary>
    /// <param name="interfaceName">The adapter the servers belong to.</param>
    /// <param name="servers">Addresses our resolver listens on, port 53.</param>
    /// <param name="splitDomains">Domains that must come to us.</param>
    /// <param name="isCatchAll">
    /// True if every question must come to us (regional tunnel). Where resolv.conf is rewritten every question does
    /// anyway, and the resolver forwards what is not ours to <see cref="ReadUpstreams"/>.
    /// </param>
    /// <returns>The servers to forward to, as <see cref="ReadUpstreams"/>.</returns>
    /// <exception cref="PlatformException">The system refused; the configuration is as before.</exception>
    public IReadOnlyList<IPAddress> Set(
        string interfaceName, IReadOnlyList<IPAddress> servers, IReadOnlyList<string> splitDomains, bool isCatchAll)
    {
        ResolverChange change = new(interfaceName, servers, splitDomains, isCatchAll);
        changes.Apply(scope, change);
        _change = change;
        return ReadUpstreams();
    }

    /// <summary>
    /// Redirects again if another program took the configuration over (after sleep, a DHCP renewal, a restart of
    /// resolved). What that program wrote is what will be restored later. Cheap if nothing happened.
    /// </summary>
    /// <returns>The servers to forward to now.</returns>
    public IReadOnlyList<IPAddress> Reassert()
    {
        if (_change is { } change)
        {
            changes.Apply(scope, change);
        }

        return ReadUpstreams();
    }

    /// <summary>Restores what was before, unless another program changed it since.</summary>
    public void Clear()
    {
        _change = null;
        changes.Undo(scope);
    }
}

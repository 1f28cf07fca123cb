using System.Net;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Platform.Dns;

/// <summary>
/// Redirects the machine's DNS questions: through <c>resolvectl</c> where systemd-resolved runs and resolv.conf points
/// at its stub (its D-Bus interface would need a D-Bus client), else by rewriting resolv.conf.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxResolver(ResolverPaths paths)
{
    private static readonly IPAddress[] ResolvedStubs = [IPAddress.Parse("127.0.0.53"), IPAddress.Parse("127.0.0.54")];

    internal ResolverMode DetectMode()
    {
        List<IPAddress> servers = ResolvConf.ReadNameServers(ResolverFile.Read(paths.ResolvConf));
        return servers.Count > 0
            && servers.TrueForAll(server => ResolvedStubs.Contains(server))
            && File.Exists(Path.Combine(paths.ResolvedFolder, "io.systemd.Resolve"))
            && Resolvectl() is not null
            ? ResolverMode.SystemdResolved
            : ResolverMode.ResolvConf;
    }

    /// <summary>The servers questions went to before us; never one of <paramref name="own"/>.</summary>
    internal List<IPAddress> ReadUpstreams(IReadOnlyList<IPAddress> own)
    {
        // resolved keeps the list of real servers in a file of its own, also while its stub is in use.
        string path = DetectMode() == ResolverMode.SystemdResolved
            ? Path.Combine(paths.ResolvedFolder, "resolv.conf")
            : paths.ResolvConf;
        List<IPAddress> upstreams = ResolvConf.ReadUpstreams(ResolverFile.Read(path));
        upstreams.RemoveAll(own.Contains);
        return upstreams;
    }

    internal string? Capture(ResolverChange change)
    {
        if (DetectMode() == ResolverMode.SystemdResolved)
        {
            return new ResolverState { Mode = ResolverMode.SystemdResolved }.ToJson();
        }

        (string path, string? link) = Locate();
        string? content = ResolverFile.Read(path);
        if (ResolvConf.IsOurs(content))
        {
            // Ours without a journal that knows what was before: the remembered servers are the best there is.
            content = ResolvConf.WithoutUs(content!);
        }

        return new ResolverState { Mode = ResolverMode.ResolvConf, Path = path, Content = content, LinkTarget = link }.ToJson();
    }

    /// <summary>
    /// What undoing must restore if the change is made again now: another program may have written new servers since
    /// (a DHCP client in another network), and those are worth more than what was found at first.
    /// </summary>
    internal string? Refresh(ResolverChange change, string? before)
    {
        ResolverMode? mode = ResolverState.FromJson(before)?.Mode;
        if (mode is null || mode != DetectMode())
        {
            return ResolvConf.IsOurs(ResolverFile.Read(paths.ResolvConf)) ? before : Capture(change);
        }

        return mode == ResolverMode.SystemdResolved || ResolvConf.IsOurs(ResolverFile.Read(paths.ResolvConf))
            ? before
            : Capture(change);
    }

    internal void Apply(ResolverChange change, string? before)
    {
        if (ResolverState.FromJson(before) is not { } state)
        {
            throw new PlatformException("The journal entry of the resolver cannot be read");
        }

        if (state.Mode == ResolverMode.SystemdResolved)
        {
            ApplyResolved(change);
            return;
        }

        string text = ResolvConf.Write(change.Servers, state.Content);
        if (state.LinkTarget is not null && ResolverFile.LinkTarget(state.Path) is not null)
        {
            ResolverFile.Delete(state.Path);
        }

        if (ResolverFile.Read(state.Path) != text)
        {
            ResolverFile.Write(state.Path, text);
        }
    }

    internal void Undo(ResolverChange change, string? before)
    {
        if (ResolverState.FromJson(before) is not { } state)
        {
            return;
        }

        if (state.Mode == ResolverMode.SystemdResolved)
        {
            UndoResolved(change);
            return;
        }

        string? present = ResolverFile.Read(state.Path);
        bool isLink = ResolverFile.LinkTarget(state.Path) is not null;
        bool isMissing = present is null && !isLink;
        if (!ResolvConf.IsOurs(present) && !(isMissing && state.LinkTarget is not null))
        {
            return;
        }

        if (state.LinkTarget is { } target)
        {
            ResolverFile.Delete(state.Path);
            ResolverFile.Link(state.Path, target);
        }
        else if (state.Content is { } content)
        {
            ResolverFile.Write(state.Path, content);
        }
        else
        {
            ResolverFile.Delete(state.Path);
        }
    }

    /// <summary>
    /// Finds the file to rewrite. A link into /run belongs to a program that rewrites its target at will, and a link
    /// that leads nowhere has no file: both are replaced by our file. Other links are followed.
    /// </summary>
    private (string Path, string? ReplacedLink) Locate()
    {
        if (ResolverFile.LinkTarget(paths.ResolvConf) is not { } link)
        {
            return (paths.ResolvConf, null);
        }

        string? target = File.ResolveLinkTarget(paths.ResolvConf, returnFinalTarget: true)?.FullName;
        return target is null || !File.Exists(target) || target.StartsWith("/run/", StringComparison.Ordinal)
            ? (paths.ResolvConf, link)
            : (target, null);
    }

    private void ApplyResolved(ResolverChange change)
    {
        RunResolvectl(["dns", change.InterfaceName, .. change.Servers.Select(server => server.ToString())]);
        // "~." catches all questions; a "~" in front keeps a domain out of the search list.
        IEnumerable<string> domains = change.IsCatchAll ? ["~."] : change.SplitDomains.Select(domain => "~" + domain);
        RunResolvectl(["domain", change.InterfaceName, .. domains]);
        RunResolvectl(["default-route", change.InterfaceName, change.IsCatchAll ? "yes" : "no"]);
        RunResolvectl(["dnssec", change.InterfaceName, "no"]);
        RunResolvectl(["dnsovertls", change.InterfaceName, "no"]);
        RunResolvectl(["llmnr", change.InterfaceName, "no"]);
        RunResolvectl(["mdns", change.InterfaceName, "no"]);
    }

    private void UndoResolved(ResolverChange change)
    {
        // resolved forgets an interface's settings with the interface, and with its own end.
        if (RtNetlink.IndexOf(change.InterfaceName) is not null && Resolvectl() is not null)
        {
            RunResolvectl(["revert", change.InterfaceName]);
        }
    }

    private string? Resolvectl() => paths.Resolvectl ?? CommandLineTool.Find("resolvectl");

    private void RunResolvectl(string[] arguments)
    {
        (int exitCode, string error) = CommandLineTool.Run(Resolvectl() ?? "resolvectl", arguments, "");
        if (exitCode != 0)
        {
            throw new PlatformException($"resolvectl {string.Join(' ', arguments)} failed: {error}");
        }
    }
}

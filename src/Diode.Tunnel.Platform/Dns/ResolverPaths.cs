namespace Diode.Tunnel.Platform.Dns;

/// <summary>Where the Linux resolver keeps its files. The defaults are the system's.</summary>
public sealed record ResolverPaths
{
    /// <summary>The file programs read. Default <c>/etc/resolv.conf</c>.</summary>
    public string ResolvConf { get; init; } = "/etc/resolv.conf";

    /// <summary>Runtime folder of systemd-resolved. Default <c>/run/systemd/resolve</c>.</summary>
    public string ResolvedFolder { get; init; } = "/run/systemd/resolve";

    /// <summary>Full path of resolvectl; null looks it up when it is needed.</summary>
    public string? Resolvectl { get; init; }
}

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Tells that the network of the machine changed or that the machine woke up, at most ten times a second, changes gathered. What the
/// kernel merely repeats is not told. Watches the network namespace of the thread that started it.
/// </summary>
public sealed class SystemNetworkEvents : IDisposable
{
    /// <summary>How long changes are gathered before they are told.</summary>
    public static readonly TimeSpan GatheringTime = TimeSpan.FromMilliseconds(100);

    private readonly INetworkEventSource _source;

    private SystemNetworkEvents(INetworkEventSource source) => _source = source;

    /// <summary>
    /// Index of an interface whose addresses, routes and state are not told: our own adapter. 0: none. May change at any time.
    /// </summary>
    public int IgnoredInterface
    {
        get => _source.IgnoredInterface;
        set => _source.IgnoredInterface = value;
    }

    /// <summary>Begins to watch.</summary>
    /// <param name="onChange">Called by a thread of the watcher, one call at a time; must neither throw nor take long.</param>
    /// <exception cref="PlatformException">The system refuses to tell.</exception>
    public static SystemNetworkEvents Start(Action<SystemNetworkChange> onChange) => Start(onChange, null);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    /// <summary>With another measure of how long the machine slept since it was switched on.</summary>
    internal static SystemNetworkEvents Start(Action<SystemNetworkChange> onChange, Func<TimeSpan>? slept)
    {
        ArgumentNullException.ThrowIfNull(onChange);
        return new SystemNetworkEvents(OperatingSystem.IsLinux()
            ? new LinuxNetworkEventSource(onChange, slept ?? LinuxNetworkEventSource.ReadSlept)
            : new PortableNetworkEventSource(onChange, slept ?? PortableNetworkEventSource.ReadSlept));
    }
}

using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Dns;

namespace Diode.Tunnel.Engine;

/// <content>
/// Names: our resolver on the adapter, the machine's resolver pointed at it, and whom other questions go to: the machine's former
/// servers, or the exit's resolver and nobody else while an exit is wanted.
/// </content>
public sealed partial class TunnelEngine
{
    private const int DnsPort = 53;
    private const string NamesScope = "names";

    private static readonly IPAddress[] ResolverAddresses =
        [VirtualAddresses.ResolverIpv4.ToIPAddress(), VirtualAddresses.ResolverIpv6.ToIPAddress()];

    private NameTable _names = NameTable.Empty;
    private DnsServer? _resolver;
    private DnsServer? _exitResolver;
    private ResolverConfigurator? _resolverConfigurator;
    private IReadOnlyList<IPEndPoint> _systemUpstreams = [];
    private string? _namesProblem;

    /// <summary>Starts the resolver and points the machine at it. A failure is a warning: addresses work without names.</summary>
    private void StartNames()
    {
        _namesProblem = null;
        try
        {
            _resolver = new DnsServer(new DnsServerOptions { TimeProvider = _time })
            {
                DeviceAsked = MeetDevice,
                NameAsked = _bns.Count > 0 ? MeetNameAsync : null,
            };
            _resolver.Start([.. ResolverAddresses.Select(static a => new IPEndPoint(a, DnsPort))]);
            if (_options.ConfigureDns && OperatingSystem.IsLinux())
            {
                _resolverConfigurator = new ResolverConfigurator(_changes, NamesScope);
                PointMachineAtResolver();
            }
        }
        catch (Exception e) when (e is PlatformException or SocketException or IOException)
        {
            _namesProblem = $"names under .diode do not resolve on this machine: {e.Message}";
            Log.NamesProblem(_logger, _namesProblem);
        }

        UpdateNames();
        UpdateResolverUpstreams();
    }

    private void StopNames()
    {
        foreach (DnsServer? server in new[] { _resolver, _exitResolver })
        {
#pragma warning disable VSTHRD002 // the listeners end at once
            server?.DisposeAsync().AsTask().Wait();
#pragma warning restore VSTHRD002
        }

        _resolver = null;
        _exitResolver = null;
        _resolverConfigurator = null;
        _systemUpstreams = [];
    }

    [SupportedOSPlatform("linux")]
    private void PointMachineAtResolver()
    {
        bool all = _exitClient.State != ExitClientState.Disconnected;
        _systemUpstreams = ToEndPoints(
            _resolverConfigurator!.Set(_up!.Adapter.Name, ResolverAddresses, [NameTable.Zone], all));
    }

    /// <summary>Other programs rewrite the resolver's configuration (DHCP, other VPNs, a restart): ours is put back.</summary>
    private void ReassertNames()
    {
        if (_resolverConfigurator is { } configurator && OperatingSystem.IsLinux())
        {
            _systemUpstreams = ToEndPoints(configurator.Reassert());
            UpdateResolverUpstreams();
        }
    }

    /// <summary>The names of the fleets as they are now.</summary>
    private void UpdateNames()
    {
        if (_book is { } book)
        {
            _names = NameTable.Create(ActiveFleets(), book, _bnsNames.Names(_time.GetUtcNow()));
            _resolver?.SetNames(_names);
            _exitResolver?.SetNames(_names);
        }
    }

    /// <summary>While an exit is wanted, questions go to its resolver or to nobody: asking anyone else would leak them.</summary>
    private void UpdateResolverUpstreams()
    {
        if (_resolver is not { } resolver)
        {
            return;
        }

        (IReadOnlyList<IPEndPoint> servers, string reason) = _exitClient.State switch
        {
            ExitClientState.Disconnected => (_systemUpstreams, "the machine's own servers"),
            ExitClientState.Connected => (ToEndPoints(_exitClient.Resolvers), "the exit's resolver"),
            _ => ([], "the exit is not connected"),
        };
        resolver.SetUpstreams(servers, reason);
        _exitResolver?.SetUpstreams(servers, reason);
        if (_resolverConfigurator is not null && OperatingSystem.IsLinux())
        {
            Attempt(PointMachineAtResolver);
        }
    }

    /// <summary>An exit answers its clients' questions on its own virtual addresses.</summary>
    private void UpdateResolverListeners()
    {
        if (_exitServer.Offer is null)
        {
#pragma warning disable VSTHRD002 // the listeners end at once
            _exitResolver?.DisposeAsync().AsTask().Wait();
#pragma warning restore VSTHRD002
            _exitResolver = null;
            return;
        }

        if (_exitResolver is not null || _up is not { } up)
        {
            return;
        }

        DnsServer server = new(new DnsServerOptions { TimeProvider = _time });
        try
        {
            server.Start([.. up.OwnAddresses.Select(static a => new IPEndPoint(a, DnsPort))]);
        }
        catch (SocketException e)
        {
            _namesProblem = $"clients of this exit cannot resolve names: {e.Message}";
            Log.NamesProblem(_logger, _namesProblem);
            return;
        }

        _exitResolver = server;
        UpdateNames();
        UpdateResolverUpstreams();
    }

    private NamesView MakeNamesView()
    {
        if (_resolver is not { } resolver)
        {
            return new NamesView("off", null, []);
        }

        string? through = _resolverConfigurator is { } configurator && OperatingSystem.IsLinux()
            ? configurator.Mode.ToString()
            : null;
        return new NamesView(
            _exitClient.State == ExitClientState.Disconnected ? "split" : "exit",
            through,
            [.. resolver.Upstreams.Servers.Select(static s => s.ToString())]);
    }

    private static IPEndPoint[] ToEndPoints(IReadOnlyList<IPAddress> addresses)
    {
        return [.. addresses.Select(static a => new IPEndPoint(a, DnsPort))];
    }
}

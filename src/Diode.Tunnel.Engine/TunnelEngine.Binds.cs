using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine;

/// <content>Local ports that lead to ports of other devices (diode-client §13.2).</content>
public sealed partial class TunnelEngine
{
    private const int MaxBinds = 256;

    /// <summary>Adds a bind; one for the same local port is replaced.</summary>
    /// <param name="text"><c>local:to:port[:tls|tcp|udp]</c>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="TunnelException">It is not of the grammar.</exception>
    public Task AddBindAsync(string text, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                if (!BindDefinition.TryParse(text, out BindDefinition? bind, out string? problem))
                {
                    throw new TunnelException(problem, "For example: diode-tunnel bind add 8080:0x…:80", "BAD_REQUEST");
                }

                List<BindDefinition> binds = [.. ReadBinds().Where(b => b != bind && (b.Local == 0 || b.Local != bind.Local)), bind];
                if (binds.Count > MaxBinds)
                {
                    throw new TunnelException($"At most {MaxBinds} ports can be bound.", "See: diode-tunnel bind list", "BAD_REQUEST");
                }

                StoreBinds(binds);
            },
            cancellation);
    }

    /// <summary>Removes the bind of a local port, given as it was or as the system chose it; its connections are cut.</summary>
    /// <exception cref="TunnelException">There is none.</exception>
    public Task RemoveBindAsync(int local, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                List<BindDefinition> binds = ReadBinds();
                int removed = binds.RemoveAll(b => (b.Local != 0 ? b.Local : _up?.Binds.Find(b).Local ?? 0) == local);
                if (removed == 0 && PerimeterBinds().Any(b => (b.Local != 0 ? b.Local : _up?.Binds.Find(b).Local ?? 0) == local))
                {
                    throw new TunnelException(
                        $"Port {local} is bound because of the perimeter.", "Its operator can change that; or: sudo diode-tunnel leave", "CONFLICT");
                }

                if (removed == 0)
                {
                    throw new TunnelException($"Port {local} is not bound.", "See: diode-tunnel bind list", "NOT_FOUND");
                }

                StoreBinds(binds);
            },
            cancellation);
    }

    private void StoreBinds(List<BindDefinition> binds)
    {
        _state.Update(_state.Current with { Binds = [.. binds.Select(static b => b.ToString())] });
        ApplyBinds();
        NotifyChanged();
    }

    private List<BindDefinition> ReadBinds()
    {
        List<BindDefinition> binds = [];
        foreach (string text in _state.Current.Binds)
        {
            if (BindDefinition.TryParse(text, out BindDefinition? bind, out _))
            {
                binds.Add(bind);
            }
        }

        return binds;
    }

    private void ApplyBinds()
    {
        _up?.Binds.Apply([.. ReadBinds(), .. PerimeterBinds()]);
    }

    private PortBinds MakeBinds()
    {
        return new PortBinds(MakeOpener(), ResolveAsync, _tlsIdentity, _tlsSessions, _logger, _time);
    }

    // What a fleet calls so comes before what a chain does.
    private async Task<Address?> ResolveAsync(string name, CancellationToken cancellation)
    {
        if (Address.TryParse(name, out Address device))
        {
            return device;
        }

        IReadOnlyCollection<Address> devices = await _loop.InvokeAsync(() => Lookup(name), cancellation).ConfigureAwait(false);
        return devices.Count == 1 ? devices.First() : await FindNamedDeviceAsync(name, cancellation).ConfigureAwait(false);
    }

    private List<BindView> MakeBindViews()
    {
        List<BindView> views = [];
        foreach ((BindDefinition bind, bool isPerimeters) in ReadBinds().Select(static b => (b, false)).Concat(PerimeterBinds().Select(static b => (b, true))))
        {
            (int local, string? problem) = _up is { } up ? up.Binds.Find(bind) : (bind.Local, "the tunnel is down");
            views.Add(new BindView(local, bind.To, bind.Port, bind.Protocol.ToString().ToLowerInvariant(), problem) { IsPerimeters = isPerimeters });
        }

        return views;
    }
}

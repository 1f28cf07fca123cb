using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>
/// What a perimeter's interface changes on the system: addresses and routes. All of it is journalled, so that a stop, or the next start after a
/// kill, takes it back; a scope for each, so that one of them can go alone. One caller at a time.
/// </summary>
internal sealed class PerimeterWireGuardNetwork(SystemChanges changes, string adapter, int mtu)
{
    private const string Scope = "perimeter-wireguard";

    private readonly HashSet<IPAddress> _addresses = [];
    private readonly HashSet<IPNetwork> _routes = [];
    private bool _isUp;

    /// <summary>Makes addresses and routes those of a plan.</summary>
    /// <returns>What the system refused.</returns>
    public List<string> Apply(RoutePlan plan)
    {
        var problems = new List<string>();
        foreach (IPNetwork gone in _routes.Except(plan.Routes).ToArray())
        {
            _routes.Remove(gone);
            Attempt(problems, gone.ToString(), () => changes.Undo(ScopeOf(gone)));
        }

        foreach (IPAddress gone in _addresses.Except(plan.Addresses).ToArray())
        {
            _addresses.Remove(gone);
            Attempt(problems, gone.ToString(), () => changes.Undo(ScopeOf(gone)));
        }

        foreach (IPAddress address in plan.Addresses.Where(a => !_addresses.Contains(a)))
        {
            // Alone: the network of the address is a route like the others, or it is refused.
            int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
            if (Attempt(problems, address.ToString(), () => changes.Apply(ScopeOf(address), new AddressChange(adapter, address, bits))))
            {
                _addresses.Add(address);
            }
        }

        _isUp = _isUp || Attempt(problems, adapter, () => changes.Apply(Scope, new LinkChange(adapter, mtu, IsUp: true)));
        foreach (IPNetwork route in plan.Routes.Where(r => !_routes.Contains(r)))
        {
            if (Attempt(problems, route.ToString(), () => changes.Apply(ScopeOf(route), new RouteChange(route, adapter))))
            {
                _routes.Add(route);
            }
        }

        return problems;
    }

    /// <summary>Takes everything back.</summary>
    /// <returns>What the system refused; the journal keeps it for the next time.</returns>
    public List<string> TakeDown()
    {
        var problems = new List<string>();
        foreach (string scope in changes.ActiveScopes.Where(static s => s.StartsWith(Scope, StringComparison.Ordinal)).Reverse().ToArray())
        {
            Attempt(problems, scope, () => changes.Undo(scope));
        }

        _routes.Clear();
        _addresses.Clear();
        _isUp = false;
        return problems;
    }

    private static string ScopeOf(object what) => $"{Scope} {what}";

    private static bool Attempt(List<string> problems, string what, Action change)
    {
        try
        {
            change();
            return true;
        }
        catch (PlatformException refused)
        {
            problems.Add($"{what}: {refused.Message}");
            return false;
        }
    }
}

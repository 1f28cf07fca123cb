using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Platform;

namespace Diode.Tunnel.Engine;

/// <content>What a user does with exits.</content>
public sealed partial class TunnelEngine
{
    private static readonly TimeSpan ExitUseWait = TimeSpan.FromSeconds(8);

    /// <summary>
    /// Uses an exit: a region, a device, a label, or <c>auto</c>. Returns when it is connected, or after eight seconds; from the first
    /// moment nothing leaves in the clear.
    /// </summary>
    /// <exception cref="TunnelException">Nobody offers it, or the system refused; then nothing has changed.</exception>
    public async Task UseExitAsync(string target, bool allowLan, CancellationToken cancellation)
    {
        await _loop.InvokeAsync(
            () =>
            {
                RequireUp();
                if (!_exitClient.Matching(target).Any())
                {
                    string[] regions = [.. _exitClient.Matching("auto").Select(static p => p.Hello!.Exit!.Region).Distinct()];
                    throw new TunnelException(
                        $"No fleet member offers the exit '{target}'.{DescribeStrangers(target)}",
                        regions.Length == 0
                            ? "Offer one on another device: diode-tunnel exit offer --region XX"
                            : $"Offered now: {string.Join(", ", regions)}. See: diode-tunnel exit list",
                        "NOT_FOUND");
                }

                ExitChoice choice = new(target, allowLan);
                UseExit(choice);
                _state.Update(_state.Current with { Exit = choice });
            },
            cancellation).ConfigureAwait(false);

        long started = _time.GetTimestamp();
        while (_time.GetElapsedTime(started) < ExitUseWait)
        {
            if (await _loop.InvokeAsync(() => _exitClient.State == ExitClientState.Connected, cancellation).ConfigureAwait(false))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), _time, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Releases the exit; the machine's own way out opens again.</summary>
    public Task ExitOffAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                _state.Update(_state.Current with { Exit = null });
                _exitClient.Off();
                PublishSnapshot();
            },
            cancellation);
    }

    /// <summary>Offers this device as an exit to its fleets.</summary>
    /// <exception cref="TunnelException">The region is not two letters, the tunnel is down, or there is no way to the internet.</exception>
    public Task OfferExitAsync(string region, bool? ipv4, bool? ipv6, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                if (region.Length != 2 || !region.All(char.IsAsciiLetter))
                {
                    throw new TunnelException($"'{region}' is not a region of two letters such as de or us.", code: "BAD_REQUEST");
                }

                RequireUp();
                _exitServer.Close("the offer changes");
                string lower = region.ToLowerInvariant();
                OpenExit(lower, ipv4, ipv6);
                _state.Update(_state.Current with { Offer = new ExitOfferState(lower, ipv4, ipv6) });
            },
            cancellation);
    }

    /// <summary>Withdraws the offer; clients are cut.</summary>
    public Task UnofferExitAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                _exitServer.Close("the offer was withdrawn");
                _state.Update(_state.Current with { Offer = null });
                UpdateResolverListeners();
                _mesh.SendHello();
                NotifyChanged();
            },
            cancellation);
    }

    private void UseExit(ExitChoice choice)
    {
        try
        {
            _exitClient.Use(choice);
        }
        catch (PlatformException e)
        {
            throw new TunnelException($"The exit cannot be used: {e.Message}", e.Hint ?? "", "SYSTEM");
        }
    }

    private void OpenExit(string region, bool? ipv4, bool? ipv6)
    {
        UpState up = _up!;
        try
        {
            _exitServer.Open(region, ipv4 ?? true, ipv6 ?? true, up.Adapter.Name, up.OwnAddresses);
        }
        catch (PlatformException e)
        {
            throw new TunnelException($"The exit cannot be opened: {e.Message}", e.Hint ?? "");
        }

        UpdateResolverListeners();
        _mesh.SendHello();
        NotifyChanged();
    }

    /// <summary>The resolver that clients of this exit use: it listens on the own virtual addresses.</summary>
    private string[] ExitResolvers()
    {
        return _up is { } up ? [.. up.OwnAddresses.Select(static a => a.ToString())] : [];
    }

    private void OnExitChanged()
    {
        PublishSnapshot();
        UpdateResolverUpstreams();
        NotifyChanged();
    }

    private void RequireUp()
    {
        if (_up is null)
        {
            throw new TunnelException(
                _problem.Length > 0 ? $"The tunnel is down: {_problem}" : "The tunnel is down.", "Run: diode-tunnel up", "TUNNEL_DOWN");
        }
    }
}

using System.Net;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Service;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay;

/// <summary>The relay's ways into the internet, as far as they are wanted, and the journal of what they change on the system.</summary>
internal sealed class RelayExits : IAsyncDisposable
{
    private const string JournalName = "changes.journal";

    private readonly SystemChanges? _changes;
    private readonly WireGuardExitHost? _wireGuard;
    private readonly TurnHost? _turn;

    /// <summary>Takes back what a killed relay left on the system, also if no exit is wanted any more, and opens ports.</summary>
    /// <exception cref="PlatformException">Something that is wanted cannot be had; the hint says what to do.</exception>
    public RelayExits(
        RelayCore core, RelayClock clock, TimeProvider time, RelayOptions options, string host, ILogger logger)
    {
        IPAddress bind = options.Listen[0].Address;
        string journal = Path.Combine(options.StateDirectory, JournalName);
        if (options.WireGuard is not null)
        {
            if (!OperatingSystem.IsLinux())
            {
                throw new PlatformException("The WireGuard exit of a relay runs on Linux only in this version.");
            }

            ProcessPrivileges.RequireNetAdmin("diode-relay");
        }

        if (options.Turn is not null)
        {
            try
            {
                _turn = new TurnHost(core, clock, options.Turn, host, bind, logger);
                core.Turn = _turn.Server;
            }
            catch (PlatformException taken) when (options.Turn.IsOptional)
            {
                Log.StunMissing(logger, taken.Message);
            }
        }

        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            if (options.WireGuard is not null || File.Exists(journal))
            {
                _changes = SystemChanges.Open(journal);
                int recovered = _changes.Recover().Count;
                if (recovered > 0)
                {
                    Log.ChangesRecovered(logger, recovered);
                }
            }

            if (options.WireGuard is not null)
            {
                _wireGuard = new WireGuardExitHost(
                    core, clock, time, _changes!, options.WireGuard, host, bind, options.StateDirectory, logger);
                core.WireGuard = _wireGuard.Core;
            }
        }
        catch
        {
            _turn?.Dispose();
            _changes?.Dispose();
            throw;
        }
    }

    /// <summary>Devices with an open WireGuard session.</summary>
    public int WireGuardClients => OperatingSystem.IsLinux() ? _wireGuard?.Core.ClientCount ?? 0 : 0;

    /// <summary>Relayed addresses of TURN clients.</summary>
    public int TurnAllocations => _turn?.Server.AllocationCount ?? 0;

    /// <summary>Begins to carry packets.</summary>
    /// <exception cref="PlatformException">The system refused.</exception>
    public void Start()
    {
        _turn?.Start();
        if (OperatingSystem.IsLinux())
        {
            _wireGuard?.Start();
        }
    }

    /// <summary>A few times a second; never waits.</summary>
    public void Tick(long nowMs)
    {
        _turn?.Tick(nowMs);
        if (OperatingSystem.IsLinux())
        {
            _wireGuard?.Tick(nowMs);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _turn?.Dispose();
        if (OperatingSystem.IsLinux() && _wireGuard is not null)
        {
            await _wireGuard.DisposeAsync();
        }

        _changes?.Dispose();
    }
}

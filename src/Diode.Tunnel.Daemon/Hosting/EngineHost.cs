using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Engine;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Platform;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Keeps the engine for the life of the host: started before the API answers, stopped (and undone) after it.</summary>
internal sealed class EngineHost(DaemonOptions options, ILoggerFactory loggers, TimeProvider time) : IHostedService
{
    private Task<TunnelEngine>? _starting;
    private TunnelEngine? _engine;

    /// <summary>The engine; only after <see cref="StartAsync"/>.</summary>
    internal TunnelEngine Engine => _engine ?? throw new InvalidOperationException("The engine has not been started.");

    /// <summary>Begins to start on another thread, while the rest of the program is put together: half of the start is that.</summary>
    internal void Begin()
    {
        _starting ??= Task.Run(StartEngineAsync);
    }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Begin();
        _engine = await _starting!;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_starting is null)
        {
            return;
        }

        try
        {
            await (await _starting).DisposeAsync();
        }
        catch (StartupException)
        {
            // It never started; StartAsync has told.
        }
    }

    private async Task<TunnelEngine> StartEngineAsync()
    {
        OffloadSwitches.Current = options.Offloads;
        EngineOptions engineOptions = new()
        {
            StateDirectory = options.StateDir,
            InterfaceName = options.Interface,
            Mtu = options.Mtu,
            Relays = options.Relays,
            Ipv4Pool = options.Ipv4Pool.ToString(),
            ManifestFiles = options.Manifests,
            ConfigureDns = options.ConfigureDns,
            BlockedDevices = options.BlockDevices,
            AllowedDevices = options.AllowDevices,
            MaxPortsPerDevice = options.MaxPorts,
            TrafficBudget = new TrafficBudget((ulong?)options.TrafficBudget, (ulong?)options.TrafficBudgetPerRelay),
            TicketChain = (ulong)options.TicketChain,
            CompressRelays = options.CompressRelays,
            Paths = options.Paths,
            UdpPort = options.UdpPort,
            MapPorts = options.MapPorts,
            Chains = options.Chains,
            ChainQuorum = options.ChainQuorum,
            NameServices = options.NameServices,
            ExitDirectories = options.ExitDirectories,
            L1Anchor = options.L1Anchor,
            ChainStaleness = TimeSpan.FromHours(options.ChainStaleness),
            Version = ProgramVersion.Text,
        };
        try
        {
            return await TunnelEngine.StartAsync(engineOptions, loggers, time);
        }
        catch (TunnelException e)
        {
            throw new StartupException(DaemonExitCodes.Configuration, e.Message, e.Hint.Length > 0 ? e.Hint : null, e);
        }
        catch (Exception e) when (e is PlatformException or IOException or UnauthorizedAccessException)
        {
            throw new StartupException(DaemonExitCodes.System, e.Message, (e as PlatformException)?.Hint, e);
        }
    }
}

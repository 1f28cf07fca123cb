using System.Net;
using System.Runtime.InteropServices;
using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Platform.Service;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Rpc;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The relay role: <c>diode-tunneld relay</c>, or the program called by the name <c>diode-relay</c>.</summary>
internal static class RelayRole
{
    /// <summary>Runs until SIGTERM or SIGINT; returns the exit code. The first line on <paramref name="output"/> is
    /// the <c>diode://</c> name of the relay, printed when it accepts devices.</summary>
    /// <exception cref="StartupException">The relay cannot run.</exception>
    internal static async Task<int> RunAsync(RelayRoleOptions options, TextWriter output)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new StartupException(DaemonExitCodes.Unavailable, "The relay role runs on Linux only in this version.");
        }

        // Read by the sockets of .NET when the first one is used. What a socket reported is handled by the thread that waits for
        // sockets, without a hand-over to another one; the relay never blocks there.
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        StateFolder.Prepare(options.StateDir);
        using ILoggerFactory loggers = DaemonLogging.Create(options.LogLevel);
        ILogger logger = loggers.CreateLogger("Diode.Tunnel.Relay");

        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using SystemdNotify systemd = SystemdNotify.FromEnvironment();
        using var watchdog = new WatchdogService(systemd);
        using var memory = new MemoryService(TimeProvider.System);

        await using var relay = new RelayNode(
            new RelayOptions
            {
                Listen = [.. options.Listen.Select(IPEndPoint.Parse)],
                Host = options.Host,
                Name = options.Name,
                StateDirectory = options.StateDir,
                Peers = ReadPeers(options),
                Chains = ChainOptions.Parse(options.Chains),
                PaysMetaTransactions = options.PaysMetaTransactions,
                Rpc = new RpcOptions
                {
                    Listen = [.. options.RpcListen.Select(IPEndPoint.Parse)],
                    SecureListen = [.. options.RpcSecureListen.Select(IPEndPoint.Parse)],
                    CertificateFile = options.RpcCertificate,
                    CertificateKeyFile = options.RpcCertificateKey,
                    MetricsListen = [.. options.MetricsListen.Select(IPEndPoint.Parse)],
                },
                Region = options.Region,
                Turn = options.TurnListen switch
                {
                    null => new TurnOptions { IsStunOnly = true, IsOptional = true },
                    0 => null,
                    int turnPort => new TurnOptions { Port = turnPort, ExternalAddress = options.TurnAddress },
                },
                WireGuard = options.WireGuardListen is not int wireGuardPort
                    ? null
                    : new WireGuardExitOptions
                    {
                        Port = wireGuardPort,
                        Host = options.WireGuardHost,
                        Pool = options.WireGuardPool,
                        ClientMegabits = options.WireGuardClientRate,
                    },
            },
            logger);
        await relay.StartAsync();
        await watchdog.StartAsync(CancellationToken.None);
        await memory.StartAsync(CancellationToken.None);
        await output.WriteLineAsync(relay.UriText);
        await output.FlushAsync();
        systemd.Ready();

        await stop.Task;
        systemd.Stopping();
        await watchdog.StopAsync(CancellationToken.None);
        await memory.StopAsync(CancellationToken.None);
        await relay.StopAsync();
        return DaemonExitCodes.Ok;

        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }

    private static PeerOptions ReadPeers(RelayRoleOptions options)
    {
        IPEndPoint first = IPEndPoint.Parse(options.Listen[0]);
        return new PeerOptions
        {
            Listen = options.PeerListen switch
            {
                RelayRoleOptions.None => null,
                null => new IPEndPoint(first.Address, PeerOptions.DefaultPort),
                string endpoint => IPEndPoint.Parse(endpoint),
            },
            ListenIsOptional = options.PeerListen is null,
        }.With(options.Seeds, options.RingMembers, options.RingRegistry);
    }
}

using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Relay.Datagrams;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// Socket, adapter, threads and files around <see cref="ExitCore"/>:
/// <code>
/// thread "exit in"     socket ─► WireGuard open ─► destinations ─► adapter ─► kernel: NAT
/// thread "exit out"    adapter ─► client's address ─► WireGuard seal ─► socket
/// timer of the relay   timers, accounts; every 10 s the network; changed clients to the file
/// </code>
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class WireGuardExitHost : IExitOutput, IAsyncDisposable
{
    private const int LongestDatagram = 65_535;
    private const long RefreshIntervalMs = 10_000;
    private const long SaveIntervalMs = 1000;
    private const int SendTimeoutMs = 20;

    private readonly RelayCore _relay;
    private readonly ILogger _logger;
    private readonly string _clientFile;
    private readonly Socket _socket;
    private readonly ITunAdapter _adapter;
    private readonly ExitNetwork _network;
    private readonly Thread _in;
    private readonly Thread _out;
    private readonly Lock _workGate = new();
    private Task _work = Task.CompletedTask;
    private string? _problem = "";
    private long _refreshedMs;
    private long _savedMs;
    private volatile bool _stopped;

    /// <summary>Reads or makes the key, opens port and adapter and lets former clients in; nothing is forwarded yet.</summary>
    /// <exception cref="PlatformException">A file, the port or the adapter cannot be used; the hint says what to do.</exception>
    public WireGuardExitHost(
        RelayCore relay,
        RelayClock clock,
        TimeProvider time,
        SystemChanges changes,
        WireGuardExitOptions options,
        string host,
        IPAddress bind,
        string stateFolder,
        ILogger logger)
    {
        _relay = relay;
        _logger = logger;
        _clientFile = Path.Combine(stateFolder, ExitClientFile.FileName);
        List<ExitClientRecord> former = ReadClients(out IPNetwork? lastPool);
        IPNetwork pool = ExitNetwork.ChoosePool(options.Pool, lastPool);
        byte[] key = ExitKeyFile.LoadOrCreate(stateFolder);
        _socket = UdpBinding.Bind(bind, options.Port, "--wireguard-listen");
        try
        {
            _socket.SendTimeout = SendTimeoutMs;
            _adapter = TunAdapterFactory.Open(new TunOptions { Name = options.InterfaceName, Mtu = options.Mtu });
            Core = new ExitCore(relay, clock, time, options, host, pool, key, this)
            {
                Port = ((IPEndPoint)_socket.LocalEndPoint!).Port,
            };
        }
        catch
        {
            _adapter?.Dispose();
            _socket.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }

        _network = new ExitNetwork(changes, options, pool, Core.Gateway);
        int restored = Core.Restore(former);
        if (restored > 0)
        {
            Log.ExitClientsRestored(logger, restored);
        }

        _in = new Thread(ReceiveLoop) { Name = "exit in", IsBackground = true };
        _out = new Thread(SendLoop) { Name = "exit out", IsBackground = true };
    }

    public ExitCore Core { get; }

    /// <summary>Sets the network up, as far as it goes, and begins to carry packets.</summary>
    /// <exception cref="PlatformException">The system refused.</exception>
    public void Start()
    {
        Refresh();
        _in.Start();
        _out.Start();
    }

    /// <summary>A few times a second, from the relay's timer; never waits.</summary>
    public void Tick(long nowMs)
    {
        Core.Tick(nowMs);
        lock (_workGate)
        {
            if (_stopped || !_work.IsCompleted)
            {
                return;
            }

            if (Math.Abs(nowMs - _refreshedMs) >= RefreshIntervalMs)
            {
                _refreshedMs = nowMs;
                _work = Task.Run(TryRefresh);
            }
            else if (Math.Abs(nowMs - _savedMs) >= SaveIntervalMs)
            {
                _savedMs = nowMs;
                if (Core.TakeChanges() is byte[] content)
                {
                    _work = Task.Run(() => Save(content));
                }
            }
        }
    }

    /// <inheritdoc/>
    public void SendDatagram(UdpRemote remote, ReadOnlySpan<byte> datagram)
    {
        try
        {
            _socket.SendTo(datagram, SocketFlags.None, remote.Address);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // No route, or a queue that stays full: lost, as datagrams may be.
            _relay.Counters.ExitDrop();
        }
    }

    /// <inheritdoc/>
    public void WritePacket(ReadOnlySpan<byte> packet)
    {
        if (!_adapter.Write(packet))
        {
            _relay.Counters.ExitDrop();
        }
    }

    /// <summary>Stops carrying, takes back what was changed on the system, and writes the clients down.</summary>
    public async ValueTask DisposeAsync()
    {
        Task work;
        lock (_workGate)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = true;
            work = _work;
        }

        Core.IsUp = false;
        _adapter.Stop();
        _socket.Dispose();
        Join(_in);
        Join(_out);
        await work;
        if (Core.TakeChanges() is byte[] content)
        {
            Save(content);
        }

        Core.Dispose();
        try
        {
            _network.TakeDown();
        }
        catch (PlatformException refused)
        {
            Log.ExitNotTakenDown(_logger, refused.Message);
        }

        _adapter.Dispose();
    }

    private static void Join(Thread thread)
    {
        if (thread.IsAlive)
        {
            thread.Join();
        }
    }

    private void TryRefresh()
    {
        try
        {
            Refresh();
        }
        catch (PlatformException refused)
        {
            Announce(refused.Message);
        }
    }

    private void Refresh()
    {
        string? problem = _network.Refresh(_adapter.Name);
        Core.SetOwnAddresses(_network.OwnAddresses);
        Announce(problem);
    }

    private void Announce(string? problem)
    {
        if (problem == _problem || _stopped)
        {
            return;
        }

        _problem = problem;
        Core.IsUp = problem is null;
        _relay.AnnounceFeatures();
        if (problem is null)
        {
            Log.ExitUp(_logger, Core.Port, _adapter.Name);
        }
        else
        {
            Log.ExitDown(_logger, problem);
        }
    }

    private void ReceiveLoop()
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(LongestDatagram, pinned: true);
        var source = new SocketAddress(_socket.AddressFamily);
        var remotes = new UdpRemoteTable();
        while (!_stopped)
        {
            int length;
            try
            {
                length = _socket.ReceiveFrom(buffer, SocketFlags.None, source);
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                // Errors that a datagram sent earlier caused arrive here too.
                continue;
            }

            Core.ReceiveDatagram(buffer.AsSpan(0, length), remotes.Find(source));
        }
    }

    private void SendLoop()
    {
        PacketBatch batch = new(new PacketPool());
        try
        {
            while (_adapter.Read(batch) > 0)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    PacketBuffer packet = batch.Packets[i];
                    Core.SendPacket(packet.Array, packet.Offset, packet.Length);
                }
            }
        }
        catch (PlatformException failure)
        {
            // Somebody deleted the adapter; a restart of the relay makes a new one.
            Core.IsUp = false;
            _relay.AnnounceFeatures();
            Log.ExitDown(_logger, failure.Message);
        }
    }

    private List<ExitClientRecord> ReadClients(out IPNetwork? pool)
    {
        pool = null;
        foreach (string file in new[] { _clientFile, _clientFile + AtomicFile.LastGoodSuffix })
        {
            try
            {
                if (!File.Exists(file))
                {
                    continue;
                }

                if (ExitClientFile.TryRead(File.ReadAllBytes(file), out IPNetwork read, out List<ExitClientRecord> clients))
                {
                    pool = read;
                    return clients;
                }

                Log.ExitClientsUnreadable(_logger, file);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                Log.ExitClientsUnreadable(_logger, file);
            }
        }

        return [];
    }

    private void Save(byte[] content)
    {
        try
        {
            AtomicFile.Write(_clientFile, content);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Log.ExitClientsNotWritten(_logger, exception.Message);
            Core.MarkChanged();
        }
    }
}

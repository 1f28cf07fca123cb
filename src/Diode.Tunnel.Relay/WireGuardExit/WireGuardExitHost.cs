using System.Net;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Relay.Datagrams;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// Socket, adapter, threads and files around <see cref="ExitCore"/>:
/// <code>
/// thread "exit in"     socket: trains ─► WireGuard open ─► destinations ─► adapter: merged ─► kernel: NAT
/// thread "exit out"    adapter: super-packets ─► client's address ─► WireGuard seal ─► socket: trains
/// timer of the relay   timers, accounts; every 10 s the network; changed clients to the file
/// </code>
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class WireGuardExitHost : IExitOutput, IAsyncDisposable
{
    private const long RefreshIntervalMs = 10_000;
    private const long SaveIntervalMs = 1000;

    private readonly RelayCore _relay;
    private readonly ILogger _logger;
    private readonly string _clientFile;
    private readonly PacketPool _pool = new();
    private readonly UdpChannel _socket;
    private readonly ITunAdapter _adapter;
    private readonly ITunWriter _writer;
    private readonly ExitNetwork _network;
    private readonly Thread _in;
    private readonly Thread _out;
    private readonly Lock _workGate = new();
    private Task _work = Task.CompletedTask;
    private string? _problem = "";
    private long _dropped;
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
        _socket = UdpBinding.BindChannel(bind, options.Port, "--wireguard-listen");
        try
        {
            _adapter = TunAdapterFactory.Open(
                new TunOptions { Name = options.InterfaceName, Mtu = options.Mtu, Offloads = TunOffloads.All });
            _writer = _adapter.CreateWriter();
            Core = new ExitCore(relay, clock, time, options, host, pool, key, this)
            {
                Port = _socket.Port,
            };
        }
        catch
        {
            _writer?.Dispose();
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
        long dropped = _socket.SendDrops + _socket.ReceiveDrops + _adapter.ReadDrops + _adapter.WriteDrops;
        _relay.Counters.ExitDrop((int)(dropped - _dropped));
        _dropped = dropped;
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
    public void SendDatagrams(UdpRemote remote, ReadOnlySpan<byte> train, int stride)
    {
        // No route, or a queue that stays full: lost, as datagrams may be, and counted there.
        _socket.Send(remote.Endpoint, train, stride);
    }

    /// <inheritdoc/>
    public void WritePacket(PacketBuffer buffer, int offset, int length)
    {
        _writer.Add(buffer, offset, length);
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
        _socket.Stop();
        Join(_in);
        Join(_out);
        _socket.Dispose();
        _writer.Dispose();
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
        DatagramBatch batch = new(_pool);
        var remotes = new UdpRemoteTable();
        try
        {
            while (_socket.Receive(batch) > 0)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    Core.ReceiveDatagrams(batch.Buffer(i), batch.SegmentSize(i), remotes.Find(batch.Source(i)));
                }

                _writer.Flush();
            }
        }
        catch (PlatformException failure)
        {
            Fail(failure);
        }
    }

    private void SendLoop()
    {
        PacketBatch batch = new(_pool);
        try
        {
            while (_adapter.Read(batch) > 0)
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    Core.SendPacket(batch.Packets[i]);
                }

                Core.FlushPackets();
            }
        }
        catch (PlatformException failure)
        {
            // Somebody deleted the adapter.
            Fail(failure);
        }
    }

    // A restart of the relay makes a new one.
    private void Fail(PlatformException failure)
    {
        Core.IsUp = false;
        _relay.AnnounceFeatures();
        Log.ExitDown(_logger, failure.Message);
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

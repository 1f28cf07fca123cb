using System.Net;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Datagrams;
using Diode.Tunnel.Relay.WireGuardExit;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.WireGuardExit;

/// <summary>An exit on a manual clock, without socket and adapter, and the relay it belongs to.</summary>
internal sealed class ExitWorld : IExitOutput, IDisposable
{
    private readonly PacketPool _pool = new();
    private readonly ManualTimeProvider _time = new(DateTimeOffset.FromUnixTimeMilliseconds(RelayWorld.StartMs));

    public ExitWorld(WireGuardExitOptions? options = null, string pool = "10.0.0.0/16", RelayWorld? relay = null, byte[]? key = null)
    {
        Relay = relay ?? new RelayWorld();
        Key = key ?? RandomNumberGenerator.GetBytes(32);
        Clock = new RelayClock(_time);
        Core = new ExitCore(
            Relay.Core, Clock, _time, options ?? new WireGuardExitOptions(), "relay.example", IPNetwork.Parse(pool), Key, this)
        {
            IsUp = true,
        };
        Relay.Core.WireGuard = Core;
        Relay.Core.AnnounceFeatures();
    }

    public RelayWorld Relay { get; }

    public byte[] Key { get; }

    public RelayClock Clock { get; }

    public ExitCore Core { get; }

    /// <summary>Packets that went to the internet.</summary>
    public List<byte[]> Internet { get; } = [];

    /// <summary>Datagrams to clients, by their port.</summary>
    public Dictionary<int, List<byte[]>> Datagrams { get; } = [];

    /// <summary>Strides of what was sent to clients.</summary>
    public List<int> Trains { get; } = [];

    /// <summary>Output is not kept.</summary>
    public bool Sink { get; set; }

    public long Now => _time.GetElapsedTime(0).Ticks;

    public ExitWorldClient Open(Address device)
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        return new ExitWorldClient(this, device, key);
    }

    public void Advance(TimeSpan by)
    {
        for (TimeSpan gone = TimeSpan.Zero; gone < by;)
        {
            TimeSpan step = by > TimeSpan.FromMinutes(10) ? TimeSpan.FromSeconds(20) : TimeSpan.FromMilliseconds(250);
            _time.Advance(step);
            gone += step;
            Relay.NowMs = Clock.NowMs;
            Relay.Core.Tick(Clock.NowMs);
            Core.Tick(Clock.NowMs);
        }
    }

    public void SendDatagrams(UdpRemote remote, ReadOnlySpan<byte> train, int stride)
    {
        if (Sink)
        {
            return;
        }

        Trains.Add(stride);

        if (!Datagrams.TryGetValue(remote.Port, out List<byte[]>? list))
        {
            Datagrams[remote.Port] = list = [];
        }

        stride = stride == 0 ? train.Length : stride;
        for (int at = 0; at < train.Length; at += stride)
        {
            list.Add(train[at..Math.Min(at + stride, train.Length)].ToArray());
        }
    }

    public void WritePacket(PacketBuffer buffer, int offset, int length)
    {
        Internet.Add(buffer.Array.AsSpan(offset, length).ToArray());
    }

    /// <summary>Datagrams of one sender arrive in one piece.</summary>
    public void Receive(ReadOnlySpan<byte> train, UdpRemote remote, int stride = 0)
    {
        PacketBuffer buffer = _pool.RentLarge();
        buffer.TryAssign(train);
        Core.ReceiveDatagrams(buffer, stride, remote);
        _pool.Return(buffer);
    }

    /// <summary>A packet for a client comes from the internet, or several in one.</summary>
    public void Send(ReadOnlySpan<byte> packet, SegmentLayout layout = default)
    {
        PacketBuffer buffer = _pool.RentLarge();
        buffer.TryAssign(packet);
        buffer.Layout = layout;
        Core.SendPacket(buffer);
        Core.FlushPackets();
        _pool.Return(buffer);
    }

    public void Dispose()
    {
        Core.Dispose();
    }

    /// <summary>An IPv4 packet with a header in order and some payload.</summary>
    public static byte[] Packet(string source, string destination, int payload = 100)
    {
        byte[] packet = new byte[20 + payload];
        packet[0] = 0x45;
        packet[2] = (byte)(packet.Length >> 8);
        packet[3] = (byte)packet.Length;
        packet[8] = 64;
        packet[9] = 17;
        IPAddress.Parse(source).GetAddressBytes().CopyTo(packet, 12);
        IPAddress.Parse(destination).GetAddressBytes().CopyTo(packet, 16);
        return packet;
    }
}

/// <summary>A plain WireGuard client of an <see cref="ExitWorld"/>.</summary>
internal sealed class ExitWorldClient : IWireGuardOutput, IDisposable
{
    private static int _lastPort = 20_000;

    private readonly ExitWorld _world;
    private readonly WireGuardInterface _interface;
    private readonly Peer _exit;

    public ExitWorldClient(ExitWorld world, Address device, byte[] privateKey)
    {
        _world = world;
        Device = device;
        Remote = new UdpRemote(new IPEndPoint(IPAddress.Parse("198.51.100.7"), Interlocked.Increment(ref _lastPort)).Serialize());
        _interface = new WireGuardInterface(
            privateKey, new WireGuardOptions { UtcNow = () => DateTimeOffset.FromUnixTimeMilliseconds(world.Clock.NowMs) }, this);
        Session = world.Core.Open(device, _interface.PublicKey.ToArray(), out WireGuardOpenError error)!;
        Assert.Equal(WireGuardOpenError.None, error);
        _exit = _interface.AddPeer(
            Convert.FromBase64String(Session.ServerPublicKey), new PeerOptions { AllowedIps = [IPNetwork.Parse("0.0.0.0/0")] });
    }

    public Address Device { get; }

    public UdpRemote Remote { get; }

    public WireGuardSessionInfo Session { get; }

    public byte[] PublicKey => _interface.PublicKey.ToArray();

    public string Address => Session.ClientAddress[..^3];

    /// <summary>Packets that came through the tunnel.</summary>
    public List<byte[]> Received { get; } = [];

    public long TotalBytes => _exit.RxBytes + _exit.TxBytes;

    public void Send(byte[] packet)
    {
        byte[] buffer = new byte[packet.Length + 64];
        packet.CopyTo(buffer, 16);
        SealResult result = _interface.Seal(_exit, buffer, 16, packet.Length, _world.Now, out int offset, out int length);
        if (result.Status == SealStatus.Sealed)
        {
            _world.Receive(buffer.AsSpan(offset, length), Remote);
        }

        Poll();
    }

    /// <summary>So many datagrams with the same packet, one behind the other.</summary>
    public byte[] Seal(byte[] packet, int count, out int stride)
    {
        List<byte> train = [];
        stride = 0;
        for (int i = 0; i < count; i++)
        {
            byte[] buffer = new byte[packet.Length + 64];
            packet.CopyTo(buffer, 16);
            _interface.Seal(_exit, buffer, 16, packet.Length, _world.Now, out int offset, out stride);
            train.AddRange(buffer.AsSpan(offset, stride));
        }

        return [.. train];
    }

    /// <summary>Takes what the exit sent.</summary>
    public void Poll()
    {
        while (_world.Datagrams.Remove(Remote.Port, out List<byte[]>? list))
        {
            foreach (byte[] datagram in list)
            {
                ReceiveResult result = _interface.Receive(
                    datagram, this, [1], _world.Now, out _, out int offset, out int length);
                if (result.Status == ReceiveStatus.Packet)
                {
                    Received.Add(datagram[offset..(offset + length)]);
                }
            }
        }
    }

    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        _world.Receive(datagram, Remote);
    }

    void IWireGuardOutput.OnSessionEstablished(Peer peer)
    {
    }

    void IWireGuardOutput.OnHandshakeFailed(Peer peer)
    {
    }

    public void Dispose()
    {
        _interface.Dispose();
    }
}

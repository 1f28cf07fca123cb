using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Datagrams;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Turn;

/// <summary>A TURN server without sockets on a manual clock.</summary>
internal sealed class TurnWorld : ITurnOutput
{
    public const string External = "198.51.100.1";

    private readonly ManualTimeProvider _time = new(DateTimeOffset.FromUnixTimeMilliseconds(RelayWorld.StartMs));
    private ushort _nextPort = 40_000;

    public TurnWorld(TurnOptions? options = null)
    {
        Clock = new RelayClock(_time);
        Server = new TurnServer(
            Relay.Core, Clock, options ?? new TurnOptions(), "relay.example", IPAddress.Parse(External), this)
        { Enabled = true };
        Relay.Core.Turn = Server;
        Relay.Core.AnnounceFeatures();
    }

    public RelayWorld Relay { get; } = new();

    public RelayClock Clock { get; }

    public TurnServer Server { get; }

    public Queue<(UdpRemote Client, byte[] Datagram)> ToClients { get; } = new();

    public List<FakeRelay> Relays { get; } = [];

    /// <summary>A device that pays, and its credential.</summary>
    public RelayPeer Device(out TurnCredential credential)
    {
        RelayPeer device = Relay.Connect();
        device.AskTicket(1, 1000);
        credential = Server.OpenCredential(device.Device.Address)!;
        return device;
    }

    public void Advance(TimeSpan by)
    {
        for (TimeSpan gone = TimeSpan.Zero; gone < by; gone += TimeSpan.FromSeconds(1))
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Relay.NowMs = Clock.NowMs;
            Relay.Core.Tick(Clock.NowMs);
            Server.Tick(Clock.NowMs);
        }
    }

    public void SendToClient(UdpRemote client, ReadOnlySpan<byte> datagram) => ToClients.Enqueue((client, datagram.ToArray()));

    public ITurnRelay? TryBind(TurnAllocation allocation, bool evenPort)
    {
        var relay = new FakeRelay(this, allocation, _nextPort++);
        Relays.Add(relay);
        return relay;
    }
}

/// <summary>A relayed address of a <see cref="TurnWorld"/>.</summary>
internal sealed class FakeRelay(TurnWorld world, TurnAllocation allocation, ushort port) : ITurnRelay
{
    public ushort Port { get; } = port;

    public bool IsClosed { get; private set; }

    public List<(TurnPeer Peer, byte[] Data)> Sent { get; } = [];

    public void Send(TurnPeer peer, ReadOnlySpan<byte> data) => Sent.Add((peer, data.ToArray()));

    public void Close() => IsClosed = true;

    public void Receive(TurnPeer peer, byte[] data)
    {
        byte[] buffer = new byte[TurnServer.Headroom + data.Length + 4];
        data.CopyTo(buffer, TurnServer.Headroom);
        world.Server.ReceiveFromPeer(allocation, peer, buffer, data.Length);
    }
}

/// <summary>A TURN client of a <see cref="TurnWorld"/>.</summary>
internal sealed class TurnClient(TurnWorld world, TurnCredential credential, string ip = "203.0.113.9")
{
    private static int _lastPort = 10_000;

    private byte[] _nonce = [];

    public UdpRemote Remote { get; } = new(new IPEndPoint(IPAddress.Parse(ip), Interlocked.Increment(ref _lastPort)).Serialize());

    public byte[] LastTransaction { get; set; } = RandomNumberGenerator.GetBytes(12);

    /// <summary>Sends a request with credentials, taking the nonce from a refusal; returns 0 or the error code.</summary>
    public int Ask(ushort method, Action<Attributes>? write = null, bool sameTransaction = false, string? password = null)
    {
        int code = AskOnce(method, write, sameTransaction, password);
        return code is 401 or 438 ? AskOnce(method, write, sameTransaction, password) : code;
    }

    public int Allocate(uint? lifetime = null) => Ask(StunMethod.Allocate, w =>
    {
        w.Add(StunAttribute.RequestedTransport, [17, 0, 0, 0]);
        if (lifetime is uint seconds)
        {
            w.Add(StunAttribute.Lifetime, Number(seconds));
        }
    });

    public int Permit(string peer) =>
        Ask(StunMethod.CreatePermission, w => w.Add(StunAttribute.XorPeerAddress, Xor(peer, 0)));

    public int Bind(ushort channel, string peer, ushort port) => Ask(StunMethod.ChannelBind, w =>
    {
        w.Add(StunAttribute.ChannelNumber, Number((uint)channel << 16));
        w.Add(StunAttribute.XorPeerAddress, Xor(peer, port));
    });

    public void SendTo(string peer, ushort port, byte[] data)
    {
        byte[] buffer = new byte[data.Length + 100];
        var writer = new StunWriter(buffer, StunMethod.Send, StunClass.Indication, RandomNumberGenerator.GetBytes(12));
        writer.Write(StunAttribute.XorPeerAddress, Xor(peer, port));
        writer.Write(StunAttribute.Data, data);
        world.Server.ReceiveFromClient(writer.Finish(), Remote);
    }

    public void SendChannel(ushort channel, byte[] data)
    {
        byte[] datagram = [(byte)(channel >> 8), (byte)channel, (byte)(data.Length >> 8), (byte)data.Length, .. data];
        world.Server.ReceiveFromClient(datagram, Remote);
    }

    public byte[] Take()
    {
        (UdpRemote client, byte[] datagram) = world.ToClients.Dequeue();
        Assert.Same(Remote, client);
        return datagram;
    }

    public static byte[] Xor(string peer, ushort port)
    {
        byte[] value = [0, 1, 0, 0, .. IPAddress.Parse(peer).GetAddressBytes()];
        BinaryPrimitives.WriteUInt16BigEndian(value.AsSpan(2), (ushort)(port ^ 0x2112));
        BinaryPrimitives.WriteUInt32BigEndian(
            value.AsSpan(4), BinaryPrimitives.ReadUInt32BigEndian(value.AsSpan(4)) ^ StunMessage.MagicCookie);
        return value;
    }

    public static byte[] Number(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    private int AskOnce(ushort method, Action<Attributes>? write, bool sameTransaction, string? password)
    {
        if (!sameTransaction)
        {
            LastTransaction = RandomNumberGenerator.GetBytes(12);
        }

        var attributes = new Attributes();
        write?.Invoke(attributes);
        byte[] key = TurnUser.DeriveKey(credential.Username, credential.Realm, password ?? credential.Credential);
        var writer = new StunWriter(new byte[1024], method, StunClass.Request, LastTransaction);
        foreach ((ushort type, byte[] value) in attributes.Items)
        {
            writer.Write(type, value);
        }

        if (_nonce.Length > 0)
        {
            writer.Write(StunAttribute.Username, Encoding.ASCII.GetBytes(credential.Username));
            writer.Write(StunAttribute.Realm, Encoding.ASCII.GetBytes(credential.Realm));
            writer.Write(StunAttribute.Nonce, _nonce);
            writer.WriteIntegrity(key);
        }

        world.ToClients.Clear();
        world.Server.ReceiveFromClient(writer.Finish(), Remote);
        Assert.True(StunMessage.TryRead(Take(), out StunMessage reply));
        Assert.Equal(method, reply.Method);
        Assert.Equal(LastTransaction, reply.TransactionId.ToArray());
        if (reply.Class == StunClass.Success)
        {
            Assert.True(reply.HasIntegrityOf(key));
            return 0;
        }

        if (reply.TryFind(StunAttribute.Nonce, out ReadOnlySpan<byte> nonce))
        {
            _nonce = nonce.ToArray();
        }

        Assert.True(reply.TryFind(StunAttribute.ErrorCode, out ReadOnlySpan<byte> error));
        return (error[2] * 100) + error[3];
    }

    public sealed class Attributes
    {
        public List<(ushort Type, byte[] Value)> Items { get; } = [];

        public void Add(ushort type, byte[] value) => Items.Add((type, value));
    }
}

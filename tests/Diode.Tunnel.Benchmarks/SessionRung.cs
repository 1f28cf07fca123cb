using System.Net;
using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>Packets from interface to interface: seal, receive, replay window, allowed IPs, timers.</summary>
internal sealed class SessionRung : IRung
{
    private const int Offset = WireGuardConstants.SealHeadroom;
    private static readonly byte[] Source = [10, 0, 0, 1];
    private static readonly byte[] Destination = [10, 0, 0, 2];

    private readonly Wire _toReceiver = new();
    private readonly Wire _toSender = new();
    private readonly WireGuardInterface _sender;
    private readonly WireGuardInterface _receiver;
    private readonly Peer _peer;
    private readonly ReceivedPacket[] _received = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
    private readonly PacketTrain _train;
    private readonly byte[] _buffer;
    private readonly byte[] _packet;

    public SessionRung(string variant, IAeadFactory aead, PacketLoad load)
    {
        Name = $"session ({variant})";
        Load = load;
        _buffer = new byte[Offset + load.Length + WireGuardConstants.SealTailroom];
        _packet = new byte[load.Length];
        _sender = Make(aead, _toReceiver);
        _receiver = Make(aead, _toSender);
        _peer = Add(_sender, _receiver, Destination);
        Add(_receiver, _sender, Source);
        _train = new PacketTrain(_sender);
        _packet[0] = 0x45;
        _packet[2] = (byte)(load.Length >> 8);
        _packet[3] = (byte)load.Length;
        Source.CopyTo(_packet, 12);
        Destination.CopyTo(_packet, 16);

        _peer.InitiateHandshake(0);
        _toReceiver.Deliver(_receiver);
        _toSender.Deliver(_sender);
        _toReceiver.Deliver(_receiver);
    }

    public string Name { get; }

    public PacketLoad Load { get; }

    // Time stands still: the session never ages and the rung measures packets only.
    public void Packets()
    {
        int received;
        if (Load.Count == 1)
        {
            _packet.CopyTo(_buffer, Offset);
            _sender.Seal(_peer, _buffer, Offset, Load.Length, 0, out int start, out int length);
            ReceiveResult result = _receiver.Receive(
                _buffer.AsSpan(start, length), this, Source, 0, out _, out _, out _);
            received = result.Status == ReceiveStatus.Packet ? 1 : 0;
        }
        else
        {
            for (int i = 0; i < Load.Count; i++)
            {
                _train.TryReserve(_peer, Load.Length, out Span<byte> room);
                _packet.CopyTo(room);
            }

            _sender.SealTrain(_peer, _train.Bytes, _train.Stride, 0);
            received = _receiver.ReceiveTrain(_train.Bytes, _train.Stride, this, Source, 0, _received, out _);
            _train.Clear();
        }

        if (received != Load.Count)
        {
            throw new InvalidOperationException("A packet was dropped.");
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }

    private static WireGuardInterface Make(IAeadFactory aead, Wire wire)
    {
        byte[] privateKey = new byte[WireGuardConstants.KeyLength];
        X25519.GeneratePrivateKey(privateKey);
        WireGuardOptions options = new() { UtcNow = () => DateTimeOffset.UnixEpoch, Aead = aead };
        return new WireGuardInterface(privateKey, options, wire);
    }

    private static Peer Add(WireGuardInterface to, WireGuardInterface other, byte[] address)
    {
        PeerOptions options = new() { AllowedIps = [new IPNetwork(new IPAddress(address), 32)] };
        return to.AddPeer(other.PublicKey.ToArray(), options);
    }

    private sealed class Wire : IWireGuardOutput
    {
        private readonly Queue<byte[]> _datagrams = new();

        public void Deliver(WireGuardInterface to)
        {
            while (_datagrams.TryDequeue(out byte[]? datagram))
            {
                to.Receive(datagram, this, [], 0, out _, out _, out _);
            }
        }

        public void Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
        {
            _datagrams.Enqueue(datagram.ToArray());
        }

        public void OnSessionEstablished(Peer peer)
        {
        }

        public void OnHandshakeFailed(Peer peer)
        {
        }
    }
}

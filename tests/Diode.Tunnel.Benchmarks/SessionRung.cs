using System.Net;
using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>One packet from interface to interface: seal, receive, replay window, allowed IPs, timers.</summary>
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
    private readonly byte[] _buffer = new byte[Offset + Ladder.PacketLength + WireGuardConstants.SealTailroom];
    private readonly byte[] _header = new byte[20];

    public SessionRung(string variant, IAeadFactory aead)
    {
        Name = $"session seal + receive ({variant})";
        _sender = Make(aead, _toReceiver);
        _receiver = Make(aead, _toSender);
        _peer = Add(_sender, _receiver, Destination);
        Add(_receiver, _sender, Source);
        _header[0] = 0x45;
        _header[2] = Ladder.PacketLength >> 8;
        _header[3] = Ladder.PacketLength & 0xff;
        Source.CopyTo(_header, 12);
        Destination.CopyTo(_header, 16);

        _peer.InitiateHandshake(0);
        _toReceiver.Deliver(_receiver);
        _toSender.Deliver(_sender);
        _toReceiver.Deliver(_receiver);
    }

    public string Name { get; }

    public int PacketLength => Ladder.PacketLength;

    public void Packet()
    {
        // Time stands still: the session never ages and the rung measures packets only.
        _header.CopyTo(_buffer, Offset);
        _sender.Seal(_peer, _buffer, Offset, Ladder.PacketLength, 0, out int start, out int length);
        ReceiveResult result = _receiver.Receive(
            _buffer.AsSpan(start, length), this, Source, 0, out _, out _, out _);
        if (result.Status != ReceiveStatus.Packet)
        {
            throw new InvalidOperationException($"Dropped: {result.Reason}.");
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

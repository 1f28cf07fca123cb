using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Pipeline;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>
/// Packets from adapter to adapter through two whole packet paths: the session rung plus parsing, address book, filter both ways, cutting
/// of super-packets with checksums, a path in memory (a copy and a queue) and the batch. What is left out is the system: adapter, socket.
/// </summary>
internal sealed class PipelineRung : IRung
{
    private const ushort Port = 5001;
    private const int ActivePeers = 16;
    private const int TcpHeaders = 40;

    private readonly PipelineNode _sender;
    private readonly PipelineNode[] _receivers;
    private readonly byte[][] _packets;
    private readonly SegmentLayout _layout;
    private readonly PacketBatch _batch;
    private int _next;

    /// <param name="variant">Name of the cipher.</param>
    /// <param name="aead">The cipher.</param>
    /// <param name="load">What is sent; large trains are one super-packet.</param>
    /// <param name="peers">Devices the sender knows; up to 16 of them get the packets in turns, each the whole load.</param>
    public PipelineRung(string variant, IAeadFactory aead, PacketLoad load, int peers = 1)
    {
        Name = $"pipeline ({variant})" + (peers == 1 ? "" : $", {peers} peers");
        Load = load;

        // Time stands still, as in the session rung.
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        _sender = new PipelineNode(PipelineNode.MakeDevice(1), time, aead: aead);
        _sender.AddStrangers(peers - Math.Min(peers, ActivePeers));
        _receivers = new PipelineNode[Math.Min(peers, ActivePeers)];
        _packets = new byte[_receivers.Length][];
        bool isSuper = load.Count > 1 && load.Length > 1000;
        _layout = isSuper ? new SegmentLayout(SegmentKind.TcpIpv4, 20, TcpHeaders, load.Length - TcpHeaders) : default;
        for (int i = 0; i < _receivers.Length; i++)
        {
            PipelineNode receiver = new(PipelineNode.MakeDevice(2 + i), time, aead: aead);
            PipelineNode.Connect(_sender, receiver);
            receiver.Publish("all to fleet\n");
            receiver.Adapter.KeepsWritten = false;
            _receivers[i] = receiver;
            PacketAddress from = _sender.Pipeline.Snapshot.Book.Self.LocalIpv4;
            PacketAddress to = _sender.Pipeline.Snapshot.Book.Find(receiver.Device)!.LocalIpv4;
            _packets[i] = isSuper
                ? Make(from, to, IpProtocol.Tcp, TcpHeaders + (load.Count * (load.Length - TcpHeaders)))
                : Make(from, to, IpProtocol.Udp, load.Length);
            if (isSuper)
            {
                // The filter knows no connection that it has not seen begin.
                byte[] syn = Make(from, to, IpProtocol.Tcp, TcpHeaders);
                syn[33] = TcpFlags.Syn;
                _sender.Send(syn);
                PipelineNode.Run(_sender, receiver);
            }
        }

        _batch = new PacketBatch(_sender.Pool);
        for (int i = 0; i < (isSuper ? 1 : load.Count); i++)
        {
            _batch.TryAdd(isSuper ? _sender.Pool.RentLarge() : _sender.Pool.Rent());
        }
    }

    public string Name { get; }

    public PacketLoad Load { get; }

    public void Packets()
    {
        _next = (_next + 1) % _receivers.Length;
        PipelineNode receiver = _receivers[_next];
        int count = _layout.IsSuperPacket ? 1 : Load.Count;
        for (int i = 0; i < count; i++)
        {
            _batch.Packets[i].TryAssign(_packets[_next]);
            _batch.Packets[i].Layout = _layout;
        }

        _batch.Count = count;
        long before = receiver.Adapter.Writes;
        _sender.Pipeline.SendBatch(_batch);
        PipelineNode.Run(_sender, receiver);
        if (receiver.Adapter.Writes - before != Load.Count)
        {
            throw new InvalidOperationException("A packet was not delivered.");
        }
    }

    public void Dispose()
    {
        _batch.Release();
        _sender.Dispose();
        foreach (PipelineNode receiver in _receivers)
        {
            receiver.Dispose();
        }
    }

    private static byte[] Make(PacketAddress source, PacketAddress destination, byte protocol, int length)
    {
        const int HeaderLength = 20;
        byte[] packet = new byte[length];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        packet[8] = 64;
        packet[9] = protocol;
        source.CopyTo(packet.AsSpan(12));
        destination.CopyTo(packet.AsSpan(16));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, HeaderLength)));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength), Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength + 2), Port);
        if (protocol == IpProtocol.Udp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength + 4), (ushort)(length - HeaderLength));
        }
        else
        {
            packet[HeaderLength + 12] = 0x50;
            packet[HeaderLength + 13] = TcpFlags.Ack;
        }

        return packet;
    }
}

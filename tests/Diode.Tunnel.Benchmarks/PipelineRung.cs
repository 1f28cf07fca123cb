using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Pipeline;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>
/// One packet from adapter to adapter through two whole packet paths: the session rung plus parsing, address book, filter both ways, a
/// path in memory (a copy and a queue) and the batch. What is left out is the system: adapter and socket.
/// </summary>
internal sealed class PipelineRung : IRung
{
    private const ushort Port = 5001;

    private readonly PipelineNode _sender;
    private readonly PipelineNode _receiver;
    private readonly byte[] _packet;
    private long _delivered;

    public PipelineRung(string variant, IAeadFactory aead)
    {
        Name = $"pipeline adapter to adapter ({variant})";

        // Time stands still, as in the session rung.
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        _sender = new PipelineNode(PipelineNode.MakeDevice(1), time, aead: aead);
        _receiver = new PipelineNode(PipelineNode.MakeDevice(2), time, aead: aead);
        PipelineNode.Connect(_sender, _receiver);
        _receiver.Publish($"{Port}/udp to fleet\n");
        _receiver.Adapter.KeepsWritten = false;
        _packet = MakeUdp(
            _sender.Pipeline.Snapshot.Book.Self.LocalIpv4, _receiver.Pipeline.Snapshot.Book.Self.LocalIpv4);
    }

    public string Name { get; }

    public int PacketLength => Ladder.PacketLength;

    public void Packet()
    {
        _sender.Send(_packet);
        PipelineNode.Run(_sender, _receiver);
        if (_receiver.Adapter.Writes != ++_delivered)
        {
            throw new InvalidOperationException("The packet was not delivered.");
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }

    private static byte[] MakeUdp(PacketAddress source, PacketAddress destination)
    {
        const int HeaderLength = 20;
        byte[] packet = new byte[Ladder.PacketLength];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), Ladder.PacketLength);
        packet[8] = 64;
        packet[9] = IpProtocol.Udp;
        source.CopyTo(packet.AsSpan(12));
        destination.CopyTo(packet.AsSpan(16));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, HeaderLength)));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength), Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength + 2), Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(HeaderLength + 4), Ladder.PacketLength - HeaderLength);
        return packet;
    }
}

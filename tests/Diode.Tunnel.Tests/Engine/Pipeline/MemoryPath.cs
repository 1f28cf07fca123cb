using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>A path that is a queue in memory. Datagrams move when <see cref="Deliver"/> is called; nothing is allocated per datagram.</summary>
internal sealed class MemoryPath(PipelineNode to, PacketPool pool) : IPath
{
    private readonly Queue<(PacketBuffer Buffer, int SegmentSize)> _onTheWay = new();
    private readonly List<PacketBuffer> _delivered = [];

    public PathKind Kind => PathKind.RelayStream;

    public string Via => "memory";

    public ReadOnlySpan<byte> SourceId => "memory"u8;

    public bool IsOpen { get; set; } = true;

    /// <summary>The other end's path back to this one: what the receiver sees as the sender.</summary>
    public MemoryPath? Reverse { get; set; }

    /// <summary>Longest datagram; longer ones are dropped.</summary>
    public int MaxDatagram { get; set; } = ushort.MaxValue;

    /// <summary>Trains sent, single datagrams included.</summary>
    public int Trains { get; private set; }

    /// <summary>Datagrams sent since the last flush: none may stay behind after a batch.</summary>
    public int Unflushed { get; private set; }

    /// <summary>The newest datagram, as an eavesdropper sees it.</summary>
    public byte[] Last => _onTheWay.Last().Buffer.Span.ToArray();

    public bool Send(ReadOnlySpan<byte> datagram)
    {
        return SendTrain(datagram, datagram.Length);
    }

    public bool SendTrain(ReadOnlySpan<byte> train, int segmentSize)
    {
        if (!IsOpen || Math.Min(segmentSize, train.Length) > MaxDatagram)
        {
            return false;
        }

        PacketBuffer buffer = train.Length > PacketBuffer.StandardCapacity / 2 ? pool.RentLarge() : pool.Rent();
        buffer.TryAssign(train);
        _onTheWay.Enqueue((buffer, segmentSize < train.Length ? segmentSize : 0));
        Unflushed++;
        Trains++;
        return true;
    }

    public void Flush()
    {
        Unflushed = 0;
    }

    /// <summary>Hands over everything that was sent. False if there was nothing.</summary>
    public bool Deliver()
    {
        while (_onTheWay.TryDequeue(out (PacketBuffer Buffer, int SegmentSize) train))
        {
            if (to.TakesTrains)
            {
                to.Receiver.Take(Reverse!, train.Buffer, train.SegmentSize);
            }
            else
            {
                ReceiveSingly(train.Buffer, train.SegmentSize);
            }

            _delivered.Add(train.Buffer);
        }

        to.Receiver.Flush();
        bool any = _delivered.Count > 0;
        foreach (PacketBuffer buffer in _delivered)
        {
            pool.Return(buffer);
        }

        _delivered.Clear();
        return any;
    }

    private void ReceiveSingly(PacketBuffer train, int segmentSize)
    {
        int end = train.Offset + train.Length;
        int step = segmentSize == 0 ? train.Length : segmentSize;
        for (; train.Offset < end; train.Offset += step)
        {
            train.Length = Math.Min(step, end - train.Offset);
            to.Receiver.Take(Reverse!, train, 0);
            to.Receiver.Flush();
        }
    }
}

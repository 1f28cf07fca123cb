using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>A path that is a queue in memory. Datagrams move when <see cref="Deliver"/> is called; nothing is allocated per datagram.</summary>
internal sealed class MemoryPath(PipelineNode to, PacketPool pool) : IPath
{
    private readonly Queue<PacketBuffer> _onTheWay = new();

    public PathKind Kind => PathKind.RelayStream;

    public string Via => "memory";

    public ReadOnlySpan<byte> SourceId => "memory"u8;

    public bool IsOpen { get; set; } = true;

    /// <summary>The other end's path back to this one: what the receiver sees as the sender.</summary>
    public MemoryPath? Reverse { get; set; }

    /// <summary>Datagrams sent since the last flush: none may stay behind after a batch.</summary>
    public int Unflushed { get; private set; }

    /// <summary>The newest datagram, as an eavesdropper sees it.</summary>
    public byte[] Last => _onTheWay.Last().Span.ToArray();

    public bool Send(ReadOnlySpan<byte> datagram)
    {
        if (!IsOpen)
        {
            return false;
        }

        PacketBuffer buffer = pool.Rent();
        buffer.TryAssign(datagram);
        _onTheWay.Enqueue(buffer);
        Unflushed++;
        return true;
    }

    public void Flush()
    {
        Unflushed = 0;
    }

    /// <summary>Hands over everything that was sent. False if there was nothing.</summary>
    public bool Deliver()
    {
        bool any = false;
        while (_onTheWay.TryDequeue(out PacketBuffer? buffer))
        {
            to.Pipeline.Receive(Reverse!, buffer);
            pool.Return(buffer);
            any = true;
        }

        return any;
    }
}

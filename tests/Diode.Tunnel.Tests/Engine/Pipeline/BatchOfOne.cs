using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>A large packet that a program sends again and again, without allocating.</summary>
internal sealed class BatchOfOne : IDisposable
{
    private readonly PipelineNode _node;
    private readonly byte[] _packet;
    private readonly SegmentLayout _layout;
    private readonly PacketBatch _batch;

    public BatchOfOne(PipelineNode node, byte[] packet, SegmentLayout layout)
    {
        _node = node;
        _packet = packet;
        _layout = layout;
        _batch = new PacketBatch(node.Pool, 1);
        _batch.TryAdd(node.Pool.RentLarge());
    }

    public void Send()
    {
        // The pipeline works in place.
        PacketBuffer buffer = _batch.Packets[0];
        buffer.TryAssign(_packet);
        buffer.Layout = _layout;
        _batch.Count = 1;
        _node.Pipeline.SendBatch(_batch);
    }

    public void Dispose() => _batch.Release();
}

using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tun;

/// <summary>Takes what merging hands on, and cuts it again as a kernel would.</summary>
internal sealed class RecordingSink : IMergeSink
{
    /// <summary>How many packets were in each write.</summary>
    public List<int> Writes { get; } = [];

    /// <summary>The packets, after cutting.</summary>
    public List<byte[]> Packets { get; } = [];

    public bool Keeps { get; init; } = true;

    public void WriteSingle(ReadOnlySpan<byte> packet)
    {
        if (Keeps)
        {
            Writes.Add(1);
            Packets.Add(packet.ToArray());
        }
    }

    public void WriteMerged(MergeGroup group)
    {
        if (!Keeps)
        {
            return;
        }

        byte[] bytes = group.ToArray();
        PacketBuffer buffer = new PacketPool(0, 0).RentLarge();
        Assert.True(buffer.TryAssign(bytes.AsSpan(VirtioHeader.Length)));
        VirtioHeader header = System.Runtime.InteropServices.MemoryMarshal.Read<VirtioHeader>(bytes);
        Assert.True(PacketCompletion.TryComplete(buffer, in header));
        Assert.Equal(group.Count, buffer.Layout.SegmentCount(buffer.Length));
        Writes.Add(group.Count);
        Packets.AddRange(TestPackets.Segments(buffer.Span.ToArray(), buffer.Layout));
    }
}

using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

public sealed class PipelineAllocationTests
{
    private const int Packets = 5000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packet_between_peers_allocates_nothing(bool aliased)
    {
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        Assert.True(AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool));
        using PipelineNode a = new(PipelineNode.MakeDevice(1), time, aliased ? pool : null);
        using PipelineNode b = new(PipelineNode.MakeDevice(2), time);
        PipelineNode.Connect(a, b);
        b.Publish("53/udp to fleet\n");
        AssertNoAllocation(a, b, PacketBuilder.Udp(a.Ipv4, a.Ipv4Of(b), 5000, 53, 1300));
    }

    [Fact]
    public void A_packet_to_the_internet_allocates_nothing()
    {
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        using PipelineNode client = new(PipelineNode.MakeDevice(1), time);
        using PipelineNode exit = new(PipelineNode.MakeDevice(2), time);
        PipelineNode.Connect(client, exit);
        client.UseExit(exit, ExitFamilies.Ipv4);
        exit.PeerOf(client).IsExitClient = true;
        AssertNoAllocation(client, exit, PacketBuilder.Udp(client.Ipv4, "8.8.8.8", 5000, 443, 1300));
    }

    [Fact]
    public void A_refused_packet_allocates_nothing()
    {
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        using PipelineNode a = new(PipelineNode.MakeDevice(1), time);
        using PipelineNode b = new(PipelineNode.MakeDevice(2), time);
        PipelineNode.Connect(a, b);
        AssertNoAllocation(a, a, PacketBuilder.Udp(a.Ipv4, "8.8.8.8", 5000, 443, 1300));
    }

    private static void AssertNoAllocation(PipelineNode from, PipelineNode to, byte[] packet)
    {
        to.Adapter.KeepsWritten = false;
        Run(from, to, packet);
        long written = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            written = to.Adapter.Writes;
            Run(from, to, packet);
        }));
        Assert.Equal(Packets, to.Adapter.Writes - written);
    }

    private static void Run(PipelineNode from, PipelineNode to, byte[] packet)
    {
        for (int i = 0; i < Packets; i++)
        {
            from.Send(packet);
            PipelineNode.Run(from, to);
        }
    }
}

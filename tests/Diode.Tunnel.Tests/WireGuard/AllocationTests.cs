using Diode.Tunnel.Testing;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class AllocationTests : TwoEndedTests
{
    [Fact]
    public void Seal_and_Receive_allocate_nothing_in_steady_state()
    {
        Establish();
        byte[] packet = VirtualNode.MakePacket(A.Address, B.Address, 0, 1400);
        byte[] buffer = new byte[2048];
        RunPackets(packet, buffer, 2000);
        int delivered = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() => delivered = RunPackets(packet, buffer, 20_000)));
        Assert.Equal(20_000, delivered);
    }

    [Fact]
    public void Tick_allocates_nothing_while_nothing_is_due()
    {
        Establish();
        A.Interface.Tick(Wire.Now);
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                A.Interface.Tick(Wire.Now);
            }
        }));
    }

    private int RunPackets(byte[] packet, byte[] buffer, int count)
    {
        const int Offset = WireGuardConstants.SealHeadroom;
        int delivered = 0;
        for (int i = 0; i < count; i++)
        {
            packet.CopyTo(buffer, Offset);
            SealResult sealing = A.Interface.Seal(
                ToB, buffer, Offset, packet.Length, Wire.Now, out int start, out int length);
            ReceiveResult receiving = B.Interface.Receive(
                buffer.AsSpan(start, length), A, A.SourceAddress, Wire.Now, out _, out _, out _);
            bool ok = sealing.Status == SealStatus.Sealed && receiving.Status == ReceiveStatus.Packet;
            delivered += ok ? 1 : 0;
        }

        return delivered;
    }
}

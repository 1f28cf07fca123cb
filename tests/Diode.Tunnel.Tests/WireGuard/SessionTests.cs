using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class SessionTests
{
    private readonly VirtualWire _wire = new();
    private readonly VirtualNode _a;
    private readonly VirtualNode _b;
    private readonly Peer _toB;
    private readonly Peer _toA;

    public SessionTests()
    {
        _a = _wire.AddNode("a");
        _b = _wire.AddNode("b");
        _toB = _a.Connect(_b);
        _toA = _b.Connect(_a);
    }

    [Fact]
    public void Staged_packets_arrive_in_order_after_the_handshake()
    {
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(SealStatus.Staged, _a.SendPacket(_toB, _b, i));
        }

        _wire.RunSeconds(1);
        Assert.Equal([0, 1, 2, 3, 4], _b.DeliveredPayloads());
        Assert.Equal(1, _a.Sessions);
        Assert.Equal(1, _b.Sessions);
        Assert.Equal(SealStatus.Sealed, _a.SendPacket(_toB, _b, 5));
        Assert.Equal(SealStatus.Sealed, _b.SendPacket(_toA, _a, 6));
        _wire.RunSeconds(1);
        Assert.Equal(5, _b.DeliveredPayloads()[^1]);
        Assert.Equal([6], _a.DeliveredPayloads());
    }
}

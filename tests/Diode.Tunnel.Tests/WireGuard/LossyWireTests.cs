using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class LossyWireTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    /// <summary>A random schedule of sending, silence, outages and removals on a bad wire; then the wire is good again.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Two_ends_never_deliver_twice_and_always_recover(int seed)
    {
        VirtualWire wire = new(seed);
        wire.Loss = wire.Random.NextDouble() * 0.4;
        wire.Duplication = wire.Random.NextDouble() * 0.3;
        wire.Delay = TimeSpan.FromMilliseconds(wire.Random.Next(1, 300));
        wire.Jitter = TimeSpan.FromMilliseconds(wire.Random.Next(1, 1500));
        VirtualNode a = wire.AddNode("a");
        VirtualNode b = wire.AddNode("b");
        Peer toB = a.Connect(b);
        Peer toA = b.Connect(a);
        int sent = 0;
        for (int step = 0; step < 150; step++)
        {
            switch (wire.Random.Next(30))
            {
                case 0:
                    wire.RunSeconds(wire.Random.Next(300));
                    break;
                case 1:
                    double loss = wire.Loss;
                    wire.Loss = 1;
                    a.SendPacket(toB, b, sent++);
                    wire.RunSeconds(wire.Random.Next(200));
                    wire.Loss = loss;
                    break;
                case 2:
                    b.Interface.RemovePeer(toA);
                    toA = b.Connect(a);
                    break;
                default:
                    for (int i = wire.Random.Next(8); i >= 0; i--)
                    {
                        if (wire.Random.Next(2) == 0)
                        {
                            a.SendPacket(toB, b, sent++);
                        }
                        else
                        {
                            b.SendPacket(toA, a, sent++);
                        }
                    }

                    wire.RunSeconds(wire.Random.NextDouble() * 3);
                    break;
            }
        }

        int[] delivered = [.. a.DeliveredPayloads(), .. b.DeliveredPayloads()];
        Assert.Equal(delivered.Length, delivered.Distinct().Count());
        Assert.True(delivered.Length > 0);
        Assert.All(delivered, payload => Assert.InRange(payload, 0, sent - 1));
        Assert.Equal(0, a.Interface.Drops[DropReason.DecryptionFailed]);
        Assert.Equal(0, b.Interface.Drops[DropReason.DecryptionFailed]);
        Assert.InRange(a.Interface.ReceiverIndexCount, 0, 5);
        Assert.InRange(b.Interface.ReceiverIndexCount, 0, 5);

        wire.Loss = 0;
        wire.Jitter = TimeSpan.Zero;
        a.SendPacket(toB, b, -1);
        b.SendPacket(toA, a, -2);
        wire.RunSeconds(40);
        a.SendPacket(toB, b, -3);
        b.SendPacket(toA, a, -4);
        wire.RunSeconds(10);
        Assert.Contains(-3, b.DeliveredPayloads());
        Assert.Contains(-4, a.DeliveredPayloads());
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Reordering_and_duplication_lose_nothing(int seed)
    {
        VirtualWire wire = new(seed) { Duplication = 0.3, Jitter = TimeSpan.FromSeconds(2) };
        VirtualNode a = wire.AddNode("a");
        VirtualNode b = wire.AddNode("b");
        Peer toB = a.Connect(b);
        b.Connect(a);
        for (int i = 0; i < 400; i++)
        {
            a.SendPacket(toB, b, i);
            wire.RunSeconds(0.9);
        }

        wire.RunSeconds(20);
        Assert.Equal(Enumerable.Range(0, 400), b.DeliveredPayloads().Order());
    }
}

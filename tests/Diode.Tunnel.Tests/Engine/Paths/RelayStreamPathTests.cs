using Diode.Tunnel.Engine.Paths;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

public sealed class RelayStreamPathTests
{
    [Fact]
    public void A_path_at_rest_costs_less_than_a_kilobyte()
    {
        const int Paths = 100;
        RelayStreamPath[] paths = new RelayStreamPath[Paths];
        Make();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Make();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, Paths * 1024);

        void Make()
        {
            for (int i = 0; i < Paths; i++)
            {
                // Nothing is sent: the relay is not asked.
                paths[i] = new RelayStreamPath(null!, default, default);
            }
        }
    }
}

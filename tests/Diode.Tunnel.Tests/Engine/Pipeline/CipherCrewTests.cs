using Diode.Tunnel.Engine.Pipeline;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

public sealed class CipherCrewTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    public void Every_job_of_every_row_is_done_once_before_the_row_ends(int helpers)
    {
        int[] done = new int[64];
        using CipherCrew crew = new(helpers, i => Interlocked.Increment(ref done[i]));
        Random random = new(1);
        for (int row = 0; row < 20_000; row++)
        {
            int count = random.Next(0, 12);
            crew.Run(count);
            for (int i = 0; i < done.Length; i++)
            {
                Assert.Equal(i < count ? 1 : 0, done[i]);
            }

            Array.Clear(done);
        }
    }

    [Fact]
    public void A_crew_that_never_worked_ends_at_once()
    {
        CipherCrew crew = new(3, static _ => { });
        crew.Dispose();
    }
}

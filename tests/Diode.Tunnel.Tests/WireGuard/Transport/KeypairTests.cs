using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Noise;
using Diode.Tunnel.WireGuard.Transport;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Transport;

public class KeypairTests
{
    [Fact]
    public void TryTakeCounter_stops_at_the_limit_and_never_wraps()
    {
        using Keypair keypair = Make(out _);
        keypair.NextCounter = WireGuardConstants.RejectAfterMessages - 2;
        Assert.True(keypair.TryTakeCounter(out ulong counter));
        Assert.Equal(WireGuardConstants.RejectAfterMessages - 2, counter);
        Assert.True(keypair.TryTakeCounter(out _));
        for (int i = 0; i < 10_000; i++)
        {
            Assert.False(keypair.TryTakeCounter(out _));
        }

        Assert.False(keypair.CanSend(0));
        Assert.Equal(WireGuardConstants.RejectAfterMessages, keypair.NextCounter);
    }

    [Fact]
    public async Task Several_threads_seal_at_once_with_distinct_counters()
    {
        using Keypair sender = Make(out TransportSecrets secrets);
        using TransportKey receiver = new(AeadFactory.Default, new SecretBytes(secrets.Send.Span), 1);
        int opened = 0;
        HashSet<ulong> counters = [];
        Task[] workers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(Work))];
        await Task.WhenAll(workers);
        Assert.Equal(4 * 2000, opened);
        Assert.Equal(4 * 2000, counters.Count);

        void Work()
        {
            byte[] buffer = new byte[64 + 16];
            for (int i = 0; i < 2000; i++)
            {
                buffer.AsSpan().Clear();
                Assert.True(sender.TryTakeCounter(out ulong counter));
                Assert.True(sender.TrySeal(counter, buffer));
                lock (counters)
                {
                    counters.Add(counter);
                    opened += receiver.TryOpen(counter, buffer) ? 1 : 0;
                }
            }
        }
    }

    [Fact]
    public void Dispose_erases_the_keys_and_ends_all_use()
    {
        Keypair keypair = Make(out TransportSecrets secrets);
        keypair.Dispose();
        Assert.False(keypair.TrySeal(0, new byte[16]));
        Assert.False(keypair.TryOpen(0, new byte[16]));
        Assert.Equal(new byte[32], secrets.Send.Span.ToArray());
        Assert.Equal(new byte[32], secrets.Receive.Span.ToArray());
    }

    private static Keypair Make(out TransportSecrets secrets)
    {
        secrets = new TransportSecrets(new SecretBytes(), new SecretBytes(), 1);
        secrets.Send.Span.Fill(1);
        secrets.Receive.Span.Fill(2);
        return new Keypair(AeadFactory.Default, secrets, 2, isInitiator: true, createdAt: 0, maxContexts: 3);
    }
}

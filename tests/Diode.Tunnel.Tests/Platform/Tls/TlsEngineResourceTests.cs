using System.Buffers;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

[Collection(nameof(MeasuredAlone))]
public sealed class TlsEngineResourceTests
{
    /// <summary>The size of the process is measured: nothing else may run meanwhile.</summary>
    [CollectionDefinition(nameof(MeasuredAlone), DisableParallelization = true)]
    public sealed class MeasuredAlone;

    [Fact]
    public void Send_and_Receive_allocate_nothing()
    {
        using EnginePair pair = new();
        pair.Exchange();
        byte[] payload = new byte[1400];
        byte[] wire = new byte[2048];
        ArrayBufferWriter<byte> received = new(8192);
        for (int i = 0; i < 200; i++)
        {
            Step();
        }

        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                Step();
            }
        }));

        void Step()
        {
            received.ResetWrittenCount();
            pair.Client.Send(payload);
            int length = pair.Client.ReadOutput(wire);
            pair.Server.Receive(wire.AsSpan(0, length), received);
            Assert.True(received.WrittenCount == payload.Length);
        }
    }

    [Fact]
    public void An_idle_connection_is_small()
    {
        const int pairs = 500;
        using TlsIdentity identity = TestIdentity.Create();
        List<TlsEngine> engines = new(2 * pairs);
        byte[] burst = new byte[64 * 1024];
        Connect(identity, burst, engines);
        long before = ResidentBytes();
        try
        {
            for (int i = 0; i < pairs; i++)
            {
                Connect(identity, burst, engines);
            }

            // Each carried 64 KiB before it became idle.
            long perEngine = (ResidentBytes() - before) / (2 * pairs);
            Assert.True(perEngine < 60 * 1024, $"{perEngine} bytes per idle engine");
        }
        finally
        {
            foreach (TlsEngine engine in engines)
            {
                engine.Dispose();
            }
        }
    }

    [Fact]
    public void Resumption_saves_the_public_key_work()
    {
        using TlsIdentity identity = TestIdentity.Create();
        using TlsSessionCache atClient = new();
        using TlsSessionCache atServer = new();
        TimeSpan full = Measure(60, null);
        Measure(1, "peer");
        TimeSpan resumed = Measure(60, "peer");
        Assert.Equal(60, atServer.Resumptions);
        Assert.True(resumed < full / 2, $"{resumed} of CPU instead of {full}");

        TimeSpan Measure(int handshakes, string? key)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            for (int i = 0; i < handshakes; i++)
            {
                using EnginePair pair = new(
                    TlsEngineFactory.Create(
                        TlsBackend.OpenSsl, TlsRole.Client, identity, static _ => true, atClient, key),
                    TlsEngineFactory.Create(
                        TlsBackend.OpenSsl, TlsRole.Server, identity, static _ => true, atServer));
                pair.Exchange();
                Assert.True(pair.Client.IsHandshakeComplete);
            }

            return Environment.CpuUsage.TotalTime - before;
        }
    }

    [Fact]
    public void Forgotten_engines_are_collected()
    {
        using TlsIdentity identity = TestIdentity.Create();
        WeakReference forgotten = Forget(identity);
        for (int i = 0; i < 10 && forgotten.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(forgotten.IsAlive);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference Forget(TlsIdentity identity) =>
        new(TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true));

    private static void Connect(TlsIdentity identity, byte[] burst, List<TlsEngine> engines)
    {
        EnginePair pair = new(
            TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true),
            TlsEngineFactory.Create(TlsRole.Server, identity, static _ => true));
        pair.Exchange();
        pair.Client.Send(burst);
        pair.Exchange();
        Assert.Equal(burst.Length, pair.ServerReceived.WrittenCount);
        engines.Add(pair.Client);
        engines.Add(pair.Server);
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return Environment.WorkingSet;
    }
}

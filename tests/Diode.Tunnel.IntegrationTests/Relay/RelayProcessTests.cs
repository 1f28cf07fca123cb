using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Relay.Accounting;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary><c>diode-tunneld relay</c> as a process of its own.</summary>
public sealed class RelayProcessTests(ITestOutputHelper output) : IDisposable
{
    private const int IdleLimit = 60 * 1024;

    private readonly string _folder = Directory.CreateTempSubdirectory("diode-relay-").FullName;

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Keeps_its_identity_over_a_kill_and_stops_on_request()
    {
        using var first = new RelayProcess(_folder);
        await using RelayClient client = await RelayClient.ConnectAsync(first.Uri);
        first.Kill();
        await client.Ended.WaitAsync(TimeSpan.FromSeconds(20));

        using var second = new RelayProcess(_folder, first.Uri.Port);
        Assert.Equal(first.Uri, second.Uri);
        await using RelayClient again = await RelayClient.ConnectAsync(second.Uri, client.Device);
        Assert.Equal(0, second.Stop());
        await again.Ended.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_ticket_outlives_a_kill()
    {
        using var relay = new RelayProcess(_folder);
        await using RelayClient client = await RelayClient.ConnectAsync(relay.Uri);

        // It is written a few milliseconds after it was accepted.
        await Task.Delay(100);
        relay.Kill();
        using var store = new SqliteTicketStore(Path.Combine(_folder, SqliteTicketStore.FileName), NullLogger.Instance);
        Assert.True(Assert.Single(store.FindAll(client.Address)).IsSignedBy(client.Address));
    }

    [Fact]
    public async Task An_idle_device_costs_at_most_60_KiB()
    {
        // The first devices pay for pools and code, which is not per device.
        const int warmUp = 300;
        const int count = 300;
        using var relay = new RelayProcess(_folder);
        List<RelayClient> clients = [];
        long before = 0;
        for (int i = 0; i < warmUp + count; i++)
        {
            before = i == warmUp ? relay.ResidentBytes : before;
            clients.Add(await RelayClient.ConnectAsync(relay.Uri));
        }

        long each = (relay.ResidentBytes - before) / count;
        output.WriteLine($"{each} B per idle device, {relay.ResidentBytes / 1024} KiB in all");
        output.WriteLine($"{relay.ProcessorTime.TotalMilliseconds / (warmUp + count):F1} CPU ms per session up to the ticket");
        foreach (RelayClient client in clients)
        {
            await client.DisposeAsync();
        }

        Assert.InRange(each, 0, IdleLimit);
    }

    [Theory]
    [InlineData(64, 20_000)]
    [InlineData(1400, 40_000)]
    [InlineData(16_000, 10_000)]
    [InlineData(60_000, 3_000)]
    public async Task Relays_in_bulk(int size, int count)
    {
        using var relay = new RelayProcess(_folder);
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Uri);
        await using RelayClient opener = await RelayClient.ConnectAsync(relay.Uri);
        PortRef port = await opener.OpenAsync(target.Address, "tcp:1");
        byte[] data = new byte[size];
        await opener.SendAsync(port, data);
        TimeSpan before = relay.ProcessorTime;
        long start = TimeProvider.System.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            await opener.SendAsync(port, data);
        }

        long total = (long)size * (count + 1);
        while (target.Received < total)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(120), $"{target.Received} of {total}");
            await Task.Delay(5);
        }

        TimeSpan elapsed = TimeProvider.System.GetElapsedTime(start);
        double processor = (relay.ProcessorTime - before).TotalSeconds;
        output.WriteLine(
            $"{size} B: {total / elapsed.TotalSeconds / 1e6:F0} MB/s, {count / elapsed.TotalSeconds:F0} messages/s, "
            + $"relay {processor / (total / 1e9):F1} CPU s/GB, relay resident {relay.ResidentBytes / 1024} KiB");
    }
}

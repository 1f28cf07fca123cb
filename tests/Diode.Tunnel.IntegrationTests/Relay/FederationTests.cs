using System.Diagnostics;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>Real relay processes that find each other from one seed.</summary>
public sealed class FederationTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-relays-").FullName;

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Two_relays_with_a_seed_resolve_devices_and_carry_ports_and_messages()
    {
        using var first = new FederationProcess(Path.Combine(_folder, "1"));
        using var second = new FederationProcess(Path.Combine(_folder, "2"));
        first.Start();
        second.Start("--seed", first.Seed);
        await using RelayClient target = await RelayClient.ConnectAsync(second.Uri);
        await using RelayClient opener = await RelayClient.ConnectAsync(first.Uri);
        await ResolveAsync(opener, target.Address, second.Address);
        await ResolveAsync(target, opener.Address, first.Address);

        // A device of the other relay, through both.
        const int pieces = 400;
        PortRef port = await opener.OpenAsync(target.Address, "tcp:1", "rwp");
        byte[] data = new byte[20_000];
        Stopwatch clock = Stopwatch.StartNew();
        for (int i = 0; i < pieces; i++)
        {
            await opener.SendAsync(port, data);
        }

        PortRef accepted = await target.WaitAcceptedAsync();
        await WaitAsync(() => target.Received == (long)pieces * data.Length, "all data arrived");
        output.WriteLine($"{pieces * data.Length / clock.Elapsed.TotalSeconds / 1e6:F0} MB/s across two relays");
        await target.SendAsync(accepted, data);
        await WaitAsync(() => opener.Received == data.Length, "the way back");

        await opener.SendMessageAsync(target.Address, "hello there");
        Assert.Equal("hello there", await target.Messages.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10)));

        // The device leaves: the port closes across the relays.
        target.Kill();
        _ = await opener.Closed.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        IOException refused = await Assert.ThrowsAsync<IOException>(() => opener.OpenAsync(target.Address, "tcp:1", "rwp"));
        Assert.Equal("not found", refused.Message);
        Assert.Equal(0, first.Stop());
        Assert.Equal(0, second.Stop());
    }

    [Fact]
    public async Task Five_relays_survive_the_kill_of_any()
    {
        FederationProcess[] relays = [.. Enumerable.Range(1, 5).Select(i => new FederationProcess(Path.Combine(_folder, $"{i}")))];
        string[] arguments =
        [
            "--seed", relays[0].Seed, .. relays.SelectMany(relay => new[] { "--ring-member", relay.Address.ToString() }),
        ];
        List<RelayClient> devices = [];
        try
        {
            foreach (FederationProcess relay in relays)
            {
                relay.Start(arguments);
            }

            foreach (FederationProcess relay in relays)
            {
                devices.Add(await RelayClient.ConnectAsync(relay.Uri));
            }

            Stopwatch clock = Stopwatch.StartNew();
            for (int at = 0; at < relays.Length; at++)
            {
                for (int of = 0; of < relays.Length; of++)
                {
                    await ResolveAsync(devices[at], devices[of].Address, relays[of].Address);
                }
            }

            output.WriteLine($"25 pairs resolved within {clock.Elapsed.TotalSeconds:F1} s");

            // Every relay gets to know every other one, and tells its devices.
            HashSet<Address> known = [];
            for (byte i = 0; i < 200 && known.Count < relays.Length - 1; i++)
            {
                known.UnionWith(ReadNodes(await devices[1].GetNodesAsync(new byte[] { i })));
                await Task.Delay(50);
            }

            Assert.Equal(relays.Length - 1, known.Count);
            relays[0].Kill();
            await ResolveAsync(devices[1], devices[0].Address, relays[0].Address);
            await ResolveAsync(devices[3], devices[2].Address, relays[2].Address);

            // It comes back with what it had, although it was killed.
            relays[0].Start(arguments);
            await using RelayClient again = await RelayClient.ConnectAsync(relays[0].Uri);
            clock.Restart();
            await ResolveAsync(again, devices[4].Address, relays[4].Address);
            await ResolveAsync(devices[2], again.Address, relays[0].Address);
            output.WriteLine($"back after {clock.Elapsed.TotalSeconds:F1} s");
        }
        finally
        {
            foreach (RelayClient device in devices)
            {
                await device.DisposeAsync();
            }

            Array.ForEach(relays, relay => relay.Dispose());
        }
    }

    private static IEnumerable<Address> ReadNodes(byte[] encoded)
    {
        Assert.True(RlpItem.TryDecode(encoded, out RlpItem? list));
        foreach (RlpItem node in list.Items)
        {
            Assert.True(ServerObject.TryReadRlp(node.Encode(), out ServerObject? server));
            yield return server.Address;
        }
    }

    // The first tries may come before the relays have found each other.
    private static async Task ResolveAsync(RelayClient at, Address device, Address relay)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (true)
        {
            byte[] found = await at.GetObjectAsync(device.ToArray());
            if (DiodeObject.TryRead(found, out DiodeObject? value))
            {
                Assert.NotNull(value.Ticket);
                Assert.True(value.Ticket.IsSignedBy(device));
                Assert.Equal(relay, value.Ticket.Server);
                return;
            }

            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"{device} is not found");
            await Task.Delay(100);
        }
    }

    private static async Task WaitAsync(Func<bool> condition, string what)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), what);
            await Task.Delay(10);
        }
    }
}

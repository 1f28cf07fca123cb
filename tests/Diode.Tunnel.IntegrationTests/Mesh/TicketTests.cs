using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>What relays are paid, from the user's side: ahead of what is used, over restarts, and up to the budget.</summary>
public sealed class TicketTests(ITestOutputHelper output)
{
    private const long Bytes = 120_000_000;

    [Fact]
    public void Relays_are_paid_ahead_over_restarts_and_up_to_the_budget()
    {
        using MeshWorld world = new() { Paths = "stream" };
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        world.Found(laptop, server);
        server.Check("publish", "9000", "--to", "fleet");

        HostedProcess sink = world.Net.Start(
            "server",
            "/usr/bin/python3",
            "-c",
            $"import socket; s=socket.create_server(('{server.Ipv4}',9000)); print('ready',flush=True); c,_=s.accept()\n"
            + "n=0\nwhile d:=c.recv(1<<20): n+=len(d)\nprint('got',n,flush=True)");
        world.Net.WaitUntil("the sink listens", TimeSpan.FromSeconds(10), () => sink.Output.Contains("ready", StringComparison.Ordinal));
        laptop.Run("bash", "-c", $"head -c {Bytes} /dev/zero > /dev/tcp/{server.Ipv4}/9000");
        world.Net.WaitUntil("all arrived", TimeSpan.FromSeconds(20), () => sink.Output.Contains($"got {Bytes}", StringComparison.Ordinal));
        foreach (MeshDevice device in new[] { laptop, server })
        {
            TicketEntry entry = Assert.Single(Ledger(device).Relays);
            output.WriteLine($"{device.Name}: used {entry.CountedBytes}, paid {entry.PaidBytes}, asked {entry.Asked}, refused {entry.Refused} ({entry.LastRefusal})");
            Assert.True(entry.CountedBytes > Bytes);
            Assert.True(entry.PaidBytes >= entry.CountedBytes - 31_457_280 && entry.PaidBytes < entry.CountedBytes + 100_000_000);
            Assert.Equal((0L, 0L, false), (entry.Asked, entry.Refused, entry.Overclaimed));
        }

        // The next session goes on where this one ended: nothing is refused.
        TicketEntry before = Ledger(laptop).Relays[0];
        laptop.Stop();
        laptop.Start();
        world.Net.WaitUntil("a ticket was accepted", TimeSpan.FromSeconds(10), () => Ledger(laptop).Relays is [{ LastAccepted: not null, Connected: true }]);
        TicketEntry after = Assert.Single(Ledger(laptop).Relays);
        Assert.True(after.PaidBytes >= before.PaidBytes);
        Assert.Equal((before.Connections + 1, 0L), (after.Connections, after.Refused));

        // A budget that is used up is said, with the way out of it.
        laptop.Check("ticket", "budget", "1MB");
        DaemonStatus status = laptop.Status();
        Assert.Contains(status.Health, h => h.Code == "BUDGET_REACHED" && h.Fix!.Contains("ticket budget off", StringComparison.Ordinal));
        Assert.Contains("1000000", laptop.Check("ticket", "status", "--json"), StringComparison.Ordinal);
        Assert.Contains("budget used up", laptop.Check("ticket", "status"), StringComparison.Ordinal);
        Assert.True(Ledger(laptop).Relays[0].PaidBytes < after.PaidBytes + 100_000_000);
        laptop.Check("ticket", "budget", "off");
        laptop.WaitReady();
        Assert.DoesNotContain(laptop.Status().Health, static h => h.Code.StartsWith("BUDGET", StringComparison.Ordinal));
    }

    private static TicketLedger Ledger(MeshDevice device) => device.Json("ticket status", ControlJson.Default.TicketLedger);
}

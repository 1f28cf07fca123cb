using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Tickets;

public sealed class TicketLedgerTests : IDisposable
{
    private static readonly Address First = Address.Parse("0x1111111111111111111111111111111111111111");
    private static readonly Address Second = Address.Parse("0x2222222222222222222222222222222222222222");

    private readonly string _folder = Directory.CreateTempSubdirectory("diode-ledger").FullName;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(1_770_000_000));

    [Fact]
    public void Totals_and_the_chosen_budget_survive_a_restart()
    {
        TicketLedger ledger = Open();
        ledger.Note(First, "diode://a", Status(ledger, 5_000_000));
        ledger.SaveIfDue(now: true);
        ledger.Choose(new TrafficBudget(7_000_000));
        TicketLedger again = Open();
        Assert.Equal(ledger.TotalsOf(First), again.TotalsOf(First));
        Assert.Equal(new TrafficBudget(7_000_000), again.Budget);
        Assert.Null(again.TotalsOf(Second));
    }

    [Fact]
    public void A_new_epoch_begins_at_nothing()
    {
        TicketLedger ledger = Open(new TrafficBudget(6_000_000));
        ledger.Note(First, "diode://a", Status(ledger, 6_000_000));
        Assert.True(ledger.IsReached(Second));
        _time.Advance(TimeSpan.FromDays(31));
        Assert.Null(ledger.TotalsOf(First));
        Assert.False(ledger.IsReached(Second));
        Assert.Equal(0UL, ledger.SignedTotal);
    }

    [Fact]
    public void Together_the_relays_never_get_more_than_the_budget()
    {
        TicketLedger ledger = Open(new TrafficBudget(100_000_000));
        ulong[] signed = [4_000_000, 4_000_000, 4_000_000];
        Address[] relays = [First, Second, Address.Parse("0x3333333333333333333333333333333333333333")];
        var random = new Random(5);
        for (int round = 0; round < 500; round++)
        {
            ulong?[] caps = new ulong?[3];
            for (int i = 0; i < 3; i++)
            {
                ledger.Note(relays[i], "", Status(ledger, signed[i]));
            }

            ledger.Distribute([.. Enumerable.Range(0, 3).Select(i =>
                (relays[i], Status(ledger, signed[i]), new Action<ulong?>(cap => caps[i] = cap)))]);
            Assert.True(caps.Sum(static c => (decimal)c!.Value) <= 100_000_000);
            int greedy = random.Next(3);
            signed[greedy] = caps[greedy]!.Value;
        }

        Assert.Equal(100_000_000UL, signed.Aggregate(static (a, b) => a + b));
    }

    [Fact]
    public void A_limit_per_relay_holds_for_each()
    {
        TicketLedger ledger = Open(new TrafficBudget(null, 10_000_000));
        ledger.Note(First, "", Status(ledger, 10_000_000));
        Assert.True(ledger.IsReached(First));
        Assert.False(ledger.IsReached(Second));
        Assert.Equal(10_000_000UL, ledger.FirstCap(Second, 3));
        Assert.True(ledger.IsNear(out int percent) && percent == 100);
    }

    [Fact]
    public void Refusals_are_counted_over_sessions()
    {
        TicketLedger ledger = Open();
        ledger.Note(First, "", Status(ledger, 1) with { Refused = 2, Asked = 1, LastRefusal = "too old" });
        ledger.Note(First, "", Status(ledger, 1) with { Refused = 3, Asked = 1 }, isEnd: true);
        ledger.Note(First, "", Status(ledger, 1) with { Refused = 1 });
        LedgerRow row = ledger.Rows.Single();
        Assert.Equal((4L, 1L, "too old"), (row.Refused, row.Asked, row.LastRefusal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"schema\": 9}")]
    [InlineData("null")]
    [InlineData("{\"schema\": 1, \"relays\": [{\"relay\": 5}]}")]
    public void A_damaged_file_is_set_aside(string content)
    {
        File.WriteAllText(FilePath, content);
        Assert.Contains("damaged", Open(expectProblem: true).ToString(), StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(FilePath + ".damaged"));
    }

    [Fact]
    public void Entries_of_another_form_are_left_out()
    {
        File.WriteAllText(FilePath, """{"schema": 1, "relays": [{"relay": "nobody", "epoch": 1}]}""");
        Assert.Empty(Open().Rows);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string FilePath => Path.Combine(_folder, TicketLedgerFile.FileName);

    private static TicketStatus Status(TicketLedger ledger, ulong signed)
    {
        return new TicketStatus
        {
            UsageBytes = signed,
            Totals = new TicketTotals
            {
                ChainId = 1284,
                Fleet = default,
                Epoch = ledger.Epoch,
                SignedBytes = signed,
                AcceptedBytes = signed,
                CountedBytes = signed,
            },
        };
    }

    private TicketLedger Open(TrafficBudget? budget = null)
    {
        TicketLedger ledger = new(new TicketLedgerFile(FilePath), budget ?? TrafficBudget.None, _time);
        Assert.Null(ledger.Load());
        return ledger;
    }

    private string Open(bool expectProblem)
    {
        Assert.True(expectProblem);
        return new TicketLedger(new TicketLedgerFile(FilePath), TrafficBudget.None, _time).Load()!;
    }
}

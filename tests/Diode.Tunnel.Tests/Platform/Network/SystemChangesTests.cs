using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Network;

public sealed class SystemChangesTests : IDisposable
{
    // In memory: thousands of journals are synced here.
    private readonly string _folder = Directory.CreateDirectory($"/dev/shm/dtt{Guid.NewGuid():n}").FullName;
    private readonly RecordingExecutor _executor = new();

    private string JournalPath => Path.Combine(_folder, "state", "journal");

    [Fact]
    public void Apply_writes_the_journal_before_the_change()
    {
        using SystemChanges changes = Open();
        string? seen = null;
        _executor.OnApply = _ => seen = ReadJournal();

        changes.Apply("mesh", Sysctl("a", "1"));

        Assert.Contains("\"key\":\"a\"", seen, StringComparison.Ordinal);
        Assert.EndsWith("\n", seen, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(JournalPath));
        }
    }

    [Fact]
    public void Undo_takes_a_scope_back_in_reverse_order_and_leaves_others()
    {
        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("a", "1"));
        changes.Apply("exit", Sysctl("b", "2"));
        changes.Apply("mesh", Sysctl("c", "3"));
        _executor.Log.Clear();

        changes.Undo("mesh");

        Assert.Equal(["undo c=3", "undo a=1"], _executor.Log);
        Assert.Equal(["exit"], changes.ActiveScopes);
        changes.UndoAll();
        Assert.Empty(_executor.System);
        Assert.Equal("", ReadJournal());
        changes.UndoAll();
    }

    [Fact]
    public void The_same_change_again_is_made_again_without_a_new_entry()
    {
        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("a", "1"));
        string journal = ReadJournal();

        changes.Apply("mesh", Sysctl("a", "1"));

        Assert.Equal(journal, ReadJournal());
        Assert.Equal(["apply a=1", "apply a=1"], _executor.Log);
    }

    [Fact]
    public void A_replaced_change_is_undone_to_what_was_before_the_first()
    {
        _executor.System["sysctl a"] = "original";
        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("a", "1"));
        changes.Apply("mesh", Sysctl("a", "2"));

        changes.Undo("mesh");

        Assert.Equal("original", _executor.System["sysctl a"]);
        Assert.Equal(["apply a=1", "apply a=2", "undo a=2"], _executor.Log);
    }

    [Theory]
    [InlineData("first", "second")]
    [InlineData("second", "first")]
    public void What_two_scopes_asked_for_goes_with_the_last_of_them(string undoneFirst, string undoneLast)
    {
        _executor.System["sysctl a"] = "original";
        using (SystemChanges changes = Open())
        {
            changes.Apply("first", Sysctl("a", "1"));
            changes.Apply("second", Sysctl("a", "1"));
            changes.Undo(undoneFirst);
            Assert.NotEqual("original", _executor.System["sysctl a"]);
        }

        // The correction is in the journal too.
        using SystemChanges reopened = Open();
        reopened.Undo(undoneLast);
        Assert.Equal("original", _executor.System["sysctl a"]);
    }

    [Fact]
    public void A_refused_change_is_taken_back_and_forgotten()
    {
        using SystemChanges changes = Open();
        _executor.RefusesApply = change => change is SysctlChange { Key: "b" };
        changes.Apply("mesh", Sysctl("a", "1"));

        Assert.Throws<PlatformException>(() => changes.Apply("mesh", Sysctl("b", "1")));

        Assert.Equal(["apply a=1", "apply b=1", "undo b=1"], _executor.Log);
        changes.UndoAll();
        Assert.Equal("undo a=1", _executor.Log[^1]);
        Assert.Equal(4, _executor.Log.Count);
    }

    [Fact]
    public void A_refused_replacement_puts_the_earlier_change_back()
    {
        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("a", "1"));
        _executor.RefusesApply = change => change is SysctlChange { Value: "2" };

        Assert.Throws<PlatformException>(() => changes.Apply("mesh", Sysctl("a", "2")));

        Assert.Equal(["apply a=1", "apply a=2", "apply a=1"], _executor.Log);
        changes.UndoAll();
        Assert.Empty(_executor.System);
    }

    [Fact]
    public void What_cannot_be_undone_stays_in_the_journal_and_the_rest_is_undone()
    {
        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("a", "1"));
        changes.Apply("mesh", Sysctl("b", "1"));
        _executor.RefusesUndo = change => change is SysctlChange { Key: "b" };

        PlatformException refused = Assert.Throws<PlatformException>(() => changes.Undo("mesh"));

        Assert.Contains("refused to undo", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["sysctl b"], _executor.System.Keys);
        _executor.RefusesUndo = _ => false;
        changes.Undo("mesh");
        Assert.Empty(_executor.System);
    }

    [Fact]
    public void Recover_undoes_what_a_dead_process_left_newest_first_and_only_that()
    {
        using (SystemChanges dead = Open())
        {
            dead.Apply("mesh", Sysctl("a", "1"));
            dead.Apply("exit", Sysctl("b", "1"));
        }

        using SystemChanges changes = Open();
        changes.Apply("mesh", Sysctl("c", "1"));
        _executor.Log.Clear();
        IReadOnlyList<RecoveredChange> recovered = changes.Recover();

        Assert.Equal(["undo b=1", "undo a=1"], _executor.Log);
        Assert.Equal([("exit", RecoveryOutcome.Undone), ("mesh", RecoveryOutcome.Undone)], recovered.Select(r => (r.Scope, r.Outcome)));
        Assert.Equal(["sysctl c"], _executor.System.Keys);
        Assert.Empty(changes.Recover());
    }

    [Fact]
    public void Recover_keeps_only_what_survives_crashes_in_a_kept_scope()
    {
        TableChange guard = new("inet", "guard", "") { SurvivesCrash = true };
        using (SystemChanges dead = Open())
        {
            dead.Apply("guard", guard);
            dead.Apply("guard", Sysctl("a", "1"));
        }

        using (SystemChanges changes = Open())
        {
            Assert.Equal(
                [("sysctl", RecoveryOutcome.Undone), ("table", RecoveryOutcome.Kept)],
                changes.Recover(scope => scope == "guard").Select(r => (r.Kind, r.Outcome)));
        }

        Assert.Equal(["table inet guard"], _executor.System.Keys);
        using SystemChanges reset = Open();
        Assert.Equal(RecoveryOutcome.Undone, Assert.Single(reset.Recover()).Outcome);
        Assert.Empty(_executor.System);
    }

    [Fact]
    public void Recover_reports_failures_and_keeps_them_for_the_next_time()
    {
        using (SystemChanges dead = Open())
        {
            dead.Apply("mesh", Sysctl("a", "1"));
        }

        _executor.RefusesUndo = _ => true;
        using (SystemChanges changes = Open())
        {
            RecoveredChange failed = Assert.Single(changes.Recover());
            Assert.Equal((RecoveryOutcome.Failed, "refused to undo"), (failed.Outcome, failed.Error));
        }

        _executor.RefusesUndo = _ => false;
        using SystemChanges again = Open();
        Assert.Equal(RecoveryOutcome.Undone, Assert.Single(again.Recover()).Outcome);
    }

    [Fact]
    public void Entries_of_unknown_kind_are_reported_and_kept()
    {
        using (SystemChanges dead = Open())
        {
            dead.Apply("mesh", Sysctl("a", "1"));
        }

        const string Newer = """{"op":"apply","id":9,"scope":"mesh","kind":"teleporter","change":{"to":"moon"}}""";
        File.AppendAllText(JournalPath, Newer + "\n");
        using (SystemChanges changes = Open())
        {
            Assert.Equal(
                [("teleporter", RecoveryOutcome.Unknown), ("sysctl", RecoveryOutcome.Undone)],
                changes.Recover().Select(r => (r.Kind, r.Outcome)));
            changes.UndoAll();
        }

        using SystemChanges later = Open();
        Assert.Equal("teleporter", Assert.Single(later.Recover()).Kind);
        later.Apply("mesh", Sysctl("b", "1"));
        Assert.Contains("\"id\":10", ReadJournal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_journal_cut_off_anywhere_recovers_every_change_that_was_made()
    {
        using (SystemChanges dead = Open())
        {
            dead.Apply("mesh", Sysctl("a", "1"));
            dead.Apply("mesh", Sysctl("b", "1"));
            dead.Apply("mesh", Sysctl("c", "1"));
            dead.Undo("mesh");
            dead.Apply("mesh", Sysctl("d", "1"));
            dead.Apply("mesh", Sysctl("e", "ü\n"));
        }

        byte[] complete = File.ReadAllBytes(JournalPath);
        int lastLine = Array.LastIndexOf(complete, (byte)'\n', complete.Length - 2) + 1;
        for (int length = 0; length <= complete.Length; length++)
        {
            File.WriteAllBytes(JournalPath, complete[..length]);
            using (SystemChanges changes = Open())
            {
                int expected = length == complete.Length ? 2 : length >= lastLine ? 1 : 0;
                Assert.Equal(expected, changes.Recover().Count);
                Assert.Equal(0, changes.DamagedJournalLines);
                changes.Apply("mesh", Sysctl("f", "1"));
            }

            using SystemChanges next = Open();
            Assert.Equal("f", ((SysctlChange)Assert.Single(next.Recover()).Change!).Key);
        }
    }

    [Fact]
    public void Damaged_lines_never_throw_and_cost_only_themselves()
    {
        using (SystemChanges dead = Open())
        {
            for (int i = 0; i < 5; i++)
            {
                dead.Apply("mesh", Sysctl("key" + i, "1"));
            }
        }

        byte[] complete = File.ReadAllBytes(JournalPath);
        Random random = new(7);
        for (int i = 0; i < 1000; i++)
        {
            byte[] damaged = [.. complete];
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(JournalPath, damaged);
            using SystemChanges changes = Open();
            Assert.InRange(changes.Recover().Count + changes.DamagedJournalLines, 0, 8);
        }
    }

    [Fact]
    public void The_journal_stays_small()
    {
        using (SystemChanges changes = Open())
        {
            changes.Apply("keep", Sysctl("kept", "1"));
            for (int i = 0; i < 300; i++)
            {
                changes.Apply("mesh", Sysctl("a", i.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            }

            Assert.True(new FileInfo(JournalPath).Length < 20_000);
        }

        using SystemChanges reopened = Open();
        Assert.Equal(["a", "kept"], reopened.Recover().Select(r => ((SysctlChange)r.Change!).Key));
    }

    [Fact]
    public void A_second_process_is_refused_with_the_holder_named()
    {
        using (Open())
        {
            PlatformException refused = Assert.Throws<PlatformException>(Open);
            Assert.Contains($"in use by process {Environment.ProcessId}", refused.Message, StringComparison.Ordinal);
        }

        Open().Dispose();
    }

    [Fact]
    public void Every_kind_survives_the_journal_unchanged()
    {
        SystemChange[] all =
        [
            new LinkChange("diode0", 1280, true),
            new AddressChange("diode0", IPAddress.Parse("fd01::7"), 128),
            new RouteChange(IPNetwork.Parse("100.64.0.0/10"), "diode0", IPAddress.Parse("10.0.0.1"), 99, 5),
            new RouteChange(IPNetwork.Parse("::/0"), null, Type: RouteType.Unreachable),
            new RuleChange(AddressFamily.InterNetworkV6, 5200, 52) { FirewallMark = 1, FirewallMask = 3, Invert = true, SuppressPrefixLength = 0, IncomingInterface = "lo", OutgoingInterface = "x" },
            new TableChange("inet", "t", "chain {}\n\t\"quoted\"") { SurvivesCrash = true },
            Sysctl("net/ipv4/ip_forward", "1"),
            new ResolverChange("diode0", [IPAddress.Parse("100.100.100.100")], ["diode"], true),
        ];
        using (SystemChanges dead = Open())
        {
            Array.ForEach(all, change => dead.Apply("mesh", change));
        }

        using SystemChanges changes = Open();
        SystemChange[] read = [.. changes.Recover().Select(r => r.Change!).Reverse()];
        Assert.Equal(all[..^1], read[..^1]);
        ResolverChange resolver = Assert.IsType<ResolverChange>(read[^1]);
        Assert.Equal(IPAddress.Parse("100.100.100.100"), Assert.Single(resolver.Servers));
        Assert.Equal("diode", Assert.Single(resolver.SplitDomains));
        Assert.True(resolver.IsCatchAll);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static SysctlChange Sysctl(string key, string value) => new(key, value);

    private SystemChanges Open() => new(JournalPath, _executor);

    private string ReadJournal()
    {
        using FileStream file = new(JournalPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}

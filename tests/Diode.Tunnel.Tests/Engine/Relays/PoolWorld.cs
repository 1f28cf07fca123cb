using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Diode.Tunnel.Tests.Engine.Relays;

/// <summary>A relay pool in virtual time, with sessions played by the test.</summary>
internal sealed class PoolWorld : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-pool").FullName;

    public PoolWorld(TrafficBudget? budget = null)
    {
        Time = new ManualTimeProvider(DateTimeOffset.FromUnixTimeSeconds(1_770_000_000));
        Ledger = new TicketLedger(
            new TicketLedgerFile(Path.Combine(_folder, TicketLedgerFile.FileName)), budget ?? TrafficBudget.None, Time);
        Pool = new RelayPool(
            Connect,
            static _ => null,
            Ledger,
            static work =>
            {
                work();
                return true;
            },
            NullLogger.Instance,
            Time);
    }

    public ManualTimeProvider Time { get; }

    public TicketLedger Ledger { get; }

    public RelayPool Pool { get; }

    /// <summary>Every session that was ever made.</summary>
    public List<FakeRelaySession> Sessions { get; } = [];

    public static RelayUri MakeUri(int number, PrivateKey? key = null)
    {
        using PrivateKey made = PrivateKey.Generate();
        return new RelayUri((key ?? made).Address, $"203.0.113.{number}", 41046);
    }

    public static RelayReply Announce(PrivateKey relay, string host, ushort port = 41046)
    {
        return new RelayReply(null, null, ServerObject.Create(
            relay, host, port, 0, "1.0", [new("block", ServerValue.FromNumber(1))]));
    }

    /// <summary>The sessions that are not over, by relay.</summary>
    public FakeRelaySession[] Live => [.. Sessions.Where(static s => !s.IsDisposed && s.Closed is null)];

    public FakeRelaySession SessionOf(RelayUri uri) => Live.Single(s => s.Uri.Address == uri.Address);

    /// <summary>The relay accepts the first ticket.</summary>
    public FakeRelaySession Accept(FakeRelaySession session, double milliseconds)
    {
        session.IsReady = true;
        session.RoundTrip = TimeSpan.FromMilliseconds(milliseconds);
        Pool.MarkReady(session);
        return session;
    }

    public void Break(FakeRelaySession session, string reason = "connection refused")
    {
        session.Close(reason);
        Pool.MarkClosed(session, reason);
    }

    /// <summary>Lets time pass with a tick each quarter second, and tells the pool of sessions it closed itself.</summary>
    public void Run(double seconds)
    {
        for (double passed = 0; passed < seconds; passed += 0.25)
        {
            Time.Advance(TimeSpan.FromSeconds(0.25));
            Pool.Tick();
            foreach (FakeRelaySession closed in Sessions.Where(static s => s.Closed is not null && !s.IsDisposed).ToArray())
            {
                Pool.MarkClosed(closed, closed.Closed!);
            }
        }
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    private FakeRelaySession Connect(RelayUri uri)
    {
        FakeRelaySession session = new(uri);
        Sessions.Add(session);
        return session;
    }
}

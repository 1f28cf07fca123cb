using System.Net;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Tests.Engine.Relays;

/// <summary>A session that does what the test says, without network and threads.</summary>
internal sealed class FakeRelaySession(RelayUri uri) : IRelaySession
{
    public RelayUri Uri => uri;

    public bool IsReady { get; set; }

    public TimeSpan? RoundTrip { get; set; }

    public long DroppedSends => 0;

    public int PortCount { get; set; }

    public IPEndPoint? Endpoint { get; private set; }

    public string? Closed { get; private set; }

    public bool IsDisposed { get; private set; }

    public TicketStatus Tickets { get; set; } = new();

    public ulong? Budget { get; private set; }

    public (Address? Primary, Address? Secondary) Named { get; private set; }

    public int Asked { get; private set; }

    public List<(Address Node, Action<RelayReply> Done)> NodeQuestions { get; } = [];

    public void Start(IPEndPoint endpoint) => Endpoint = endpoint;

    public void Ping()
    {
    }

    public void CheckAlive(TimeSpan timeout)
    {
    }

    public void Close(string reason)
    {
        Closed ??= reason;
        IsReady = false;
    }

    public bool GetNode(Address node, Action<RelayReply> done)
    {
        NodeQuestions.Add((node, done));
        return IsReady;
    }

    public TicketStatus GetTicketStatus() => Tickets;

    public void SetTicketBudget(ulong? bytes) => Budget = bytes;

    public void SetRelays(Address? primary, Address? secondary) => Named = (primary, secondary);

    public void AskUnpaidBytes() => Asked++;

    public void Dispose() => IsDisposed = true;
}

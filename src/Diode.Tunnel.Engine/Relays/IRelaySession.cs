using System.Net;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>What <see cref="RelayPool"/> needs of a session; implemented by <see cref="RelayConnection"/> and by tests.</summary>
internal interface IRelaySession : IDisposable
{
    /// <summary>Where the relay is and who it must be.</summary>
    RelayUri Uri { get; }

    /// <summary>True from the accepted ticket to the end.</summary>
    bool IsReady { get; }

    /// <summary>Round-trip time of the last ping; null before the first.</summary>
    TimeSpan? RoundTrip { get; }

    /// <summary>Data dropped because the session could not take it in time.</summary>
    long DroppedSends { get; }

    /// <summary>This device's address that the session was made from; null until it is connected.</summary>
    IPAddress? LocalAddress => null;

    /// <summary>Number of open ports.</summary>
    int PortCount { get; }

    /// <summary>Connects; the owner hears of success or failure by events.</summary>
    void Start(IPEndPoint endpoint);

    /// <summary>Measures the round trip.</summary>
    void Ping();

    /// <summary>Lets the session look at its clock, and closes it if its last ping has waited too long.</summary>
    void CheckAlive(TimeSpan timeout);

    /// <summary>Ends the session; the first reason wins.</summary>
    void Close(string reason);

    /// <summary>Asks for a relay's server object; <paramref name="done"/> runs on another thread. False: not asked.</summary>
    bool GetNode(Address node, Action<RelayReply> done);

    /// <summary>How the session stands with its tickets.</summary>
    TicketStatus GetTicketStatus();

    /// <summary>Most bytes that tickets of the epoch may sign for.</summary>
    void SetTicketBudget(ulong? bytes);

    /// <summary>The relays this device is to be met at, published with the next ticket.</summary>
    void SetRelays(Address? primary, Address? secondary);

    /// <summary>Asks what the relay has counted; shows in the ticket status.</summary>
    void AskUnpaidBytes();
}

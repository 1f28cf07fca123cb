using System.Net;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Ethereum;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Exits;

/// <summary>State of the regional tunnel (vpn-peers §3.9). Everything but <see cref="Disconnected"/> lets nothing out in the clear.</summary>
public enum ExitClientState
{
    /// <summary>No exit is wanted; traffic leaves as usual.</summary>
    Disconnected,

    /// <summary>An exit is wanted and being asked; traffic waits or is refused.</summary>
    Connecting,

    /// <summary>Traffic leaves at the exit.</summary>
    Connected,

    /// <summary>No wanted exit answers; traffic is refused until one does or the user releases it.</summary>
    Blocked,
}

/// <summary>
/// Uses an exit: closes every other way out first, then asks a peer that offers one in the wanted region, and moves to another of the
/// same region when it dies. Never opens up by itself; only <see cref="Off"/> does. Engine loop only.
/// </summary>
internal sealed class ExitClient(ExitRouting routing, PeerMesh mesh, Action changed, ILogger logger, TimeProvider time)
{
    private const string Auto = "auto";

    private static readonly TimeSpan GrantTimeout = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan RetryRefused = TimeSpan.FromSeconds(10);

    private readonly Dictionary<Address, long> _refused = [];
    private long _asked;

    /// <summary>State of the regional tunnel.</summary>
    public ExitClientState State { get; private set; }

    /// <summary>What the user wants; null when off.</summary>
    public ExitChoice? Choice { get; private set; }

    /// <summary>The exit asked or in use.</summary>
    public TunnelPeer? Exit { get; private set; }

    /// <summary>What the exit in use carries; none unless connected.</summary>
    public ExitFamilies Families { get; private set; }

    /// <summary>Resolvers at the exit, virtual addresses; empty unless connected.</summary>
    public IReadOnlyList<IPAddress> Resolvers { get; private set; } = [];

    /// <summary>Why the state is what it is, for people.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>Peers that offer an exit and match a wish: those with the operator's role first, the nearest first.</summary>
    public IEnumerable<TunnelPeer> Matching(string target)
    {
        return mesh.Peers.Values
            .Where(p => p.Hello?.Exit is { } offer && Matches(p, offer, target))
            .OrderByDescending(static p => p.HasExitRole)
            .ThenBy(static p => p.RoundTrip ?? TimeSpan.MaxValue);
    }

    /// <summary>Begins to use an exit. From here on nothing leaves in the clear.</summary>
    /// <param name="choice">What the user wants.</param>
    /// <param name="isResumed">It was wanted before this start: the kill switch is on and stays on whatever happens here.</param>
    /// <exception cref="Platform.PlatformException">The system refused; everything is as before.</exception>
    public void Use(ExitChoice choice, bool isResumed = false)
    {
        routing.Close(choice.AllowLan, wasClosed: isResumed || Choice is not null);
        Leave("another exit was chosen");
        Choice = choice;
        _refused.Clear();
        SetState(ExitClientState.Connecting, $"looking for an exit: {choice.Target}");
        AskNext();
    }

    /// <summary>Releases the exit and opens the machine's own way out again.</summary>
    public void Off()
    {
        Leave("released by the user");
        Choice = null;
        routing.Open();
        SetState(ExitClientState.Disconnected, "");
    }

    /// <summary>Forgets the exit without touching the system: the tunnel is going down and undoes everything itself.</summary>
    public void Stop()
    {
        Leave("the tunnel is stopping");
        State = ExitClientState.Disconnected;
    }

    /// <summary>The exit has granted.</summary>
    public void HandleGrant(TunnelPeer peer, ControlMessage grant)
    {
        if (!ReferenceEquals(peer, Exit) || Choice is null)
        {
            return;
        }

        ExitFamilies families = (grant.Ipv4 == true ? ExitFamilies.Ipv4 : 0) | (grant.Ipv6 == true ? ExitFamilies.Ipv6 : 0);
        try
        {
            routing.Use(families, Choice.AllowLan);
        }
        catch (Platform.PlatformException e)
        {
            HandleLoss(peer, $"the system refused: {e.Message}", refused: true);
            return;
        }

        Families = families;
        Resolvers = [.. (grant.Resolvers ?? [])
            .Select(static text => IPAddress.TryParse(text, out IPAddress? address) ? address : null)
            .OfType<IPAddress>()];
        SetState(ExitClientState.Connected, "");
        Log.ExitConnected(logger, peer.Device.ToString(), peer.Hello?.Exit?.Region ?? "");
    }

    /// <summary>The exit has refused or revoked, or is gone. One that refused is not asked again for a while.</summary>
    public void HandleLoss(TunnelPeer peer, string reason, bool refused)
    {
        if (!ReferenceEquals(peer, Exit))
        {
            return;
        }

        if (refused)
        {
            _refused[peer.Device] = time.GetTimestamp();
        }

        PeerMesh.Send(peer, new ControlMessage { Type = ControlMessage.ExitRelease, Reason = reason });
        Drop();
        SetState(ExitClientState.Connecting, $"{Name(peer)}: {reason}");
        AskNext();
    }

    /// <summary>Asks again, gives up who does not answer.</summary>
    public void Tick()
    {
        if (Choice is null || State == ExitClientState.Connected)
        {
            return;
        }

        if (Exit is { } asked && time.GetElapsedTime(_asked) > GrantTimeout)
        {
            HandleLoss(asked, "did not answer the request", refused: true);
        }
        else if (Exit is null)
        {
            AskNext();
        }
    }

    private void AskNext()
    {
        TunnelPeer? next = Matching(Choice!.Target).FirstOrDefault(p => p.Link is { IsOpen: true } && !WasRefused(p));
        if (next is null)
        {
            string why = Matching(Choice.Target).Any() ? "the exit does not answer" : $"no fleet member offers {Choice.Target}";
            SetState(ExitClientState.Blocked, Reason.Length > 0 && State == ExitClientState.Blocked ? Reason : why);
            return;
        }

        Exit = next;
        _asked = time.GetTimestamp();
        SetState(ExitClientState.Connecting, $"asking {Name(next)}");
        PeerMesh.Send(next, new ControlMessage { Type = ControlMessage.ExitRequest, Ipv4 = true, Ipv6 = true });
    }

    private bool WasRefused(TunnelPeer peer)
    {
        return _refused.TryGetValue(peer.Device, out long when) && time.GetElapsedTime(when) < RetryRefused;
    }

    private void Leave(string reason)
    {
        if (Exit is { } exit)
        {
            PeerMesh.Send(exit, new ControlMessage { Type = ControlMessage.ExitRelease, Reason = reason });
            Drop();
        }
    }

    private void Drop()
    {
        Exit = null;
        Families = ExitFamilies.None;
        Resolvers = [];
    }

    private void SetState(ExitClientState state, string reason)
    {
        bool differs = State != state || Reason != reason;
        State = state;
        Reason = reason;
        if (differs)
        {
            changed();
        }
    }

    private static bool Matches(TunnelPeer peer, ExitOfferPart offer, string target)
    {
        return target == Auto
            || string.Equals(offer.Region, target, StringComparison.OrdinalIgnoreCase)
            || string.Equals(peer.Label, target, StringComparison.OrdinalIgnoreCase)
            || string.Equals($"{peer.Label}.{peer.FleetName}.diode", target, StringComparison.OrdinalIgnoreCase)
            || (Address.TryParse(target, out Address device) && device == peer.Device);
    }

    private static string Name(TunnelPeer peer)
    {
        return peer.Label.Length > 0 ? peer.Label : peer.Device.ToString();
    }
}

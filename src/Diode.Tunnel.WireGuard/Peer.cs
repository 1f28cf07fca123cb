using System.Net;

namespace Diode.Tunnel.WireGuard;

/// <summary>A peer of a <see cref="WireGuardInterface"/>: identity, counters and the session behind it. Thread-safe.</summary>
public sealed class Peer
{
    private object? _endpoint;
    private long _rxBytes;
    private long _txBytes;

    internal Peer(InterfaceContext context, TunnelPublicKey publicKey, PeerSession session, PeerOptions options)
    {
        Context = context;
        PublicKey = publicKey;
        Session = session;
        Tag = options.Tag;
        AllowedIps = options.AllowedIps;
        _endpoint = options.Endpoint;
    }

    /// <summary>The peer's identity.</summary>
    public TunnelPublicKey PublicKey { get; }

    /// <summary>The owner's own object.</summary>
    public object? Tag { get; }

    /// <summary>The peer's prefixes; change them with <see cref="WireGuardInterface.SetAllowedIps"/>.</summary>
    public IReadOnlyList<IPNetwork> AllowedIps { get; internal set; }

    /// <summary>The path to the peer, opaque here. Set by the owner, and by authenticated datagrams if roaming is enabled.</summary>
    public object? Endpoint
    {
        get => Volatile.Read(ref _endpoint);
        set => Volatile.Write(ref _endpoint, value);
    }

    /// <summary>Time of the last completed handshake, in the ticks of the <c>now</c> arguments; null if there was none.</summary>
    public long? LastHandshake => Session.LastHandshake;

    /// <summary>Authenticated bytes received, with all WireGuard overhead.</summary>
    public long RxBytes => Volatile.Read(ref _rxBytes);

    /// <summary>Bytes sent, with all WireGuard overhead.</summary>
    public long TxBytes => Volatile.Read(ref _txBytes);

    /// <summary>True once removed: nothing is sealed or delivered any more.</summary>
    public bool IsRemoved => Session.IsRemoved;

    internal InterfaceContext Context { get; }

    internal PeerSession Session { get; }

    /// <summary>True if a packet given now would be sealed rather than staged.</summary>
    public bool HasSession(long now)
    {
        return Session.HasSession(now);
    }

    /// <summary>Begins a handshake unless one was begun or answered within the last five seconds.</summary>
    public void InitiateHandshake(long now)
    {
        Session.BeginHandshake(now, isRetry: false);
    }

    /// <summary>
    /// The other end has told that its side of the session is gone. What is to be sent waits for a new handshake instead of getting lost.
    /// </summary>
    public void EndSession()
    {
        Session.End();
    }

    /// <summary>
    /// The other end has begun anew: its keys from before a moment are gone for certain, later ones may be in use. As
    /// <see cref="EndSession()"/> if there are no later ones.
    /// </summary>
    /// <param name="before">A moment at which it had not begun anew yet, in the ticks of the <c>now</c> arguments.</param>
    public void EndSession(long before)
    {
        Session.End(before);
    }

    /// <summary>Changes the interval of persistent keepalives, zero for none; the first is due at once.</summary>
    public void SetPersistentKeepalive(TimeSpan interval)
    {
        Session.SetPersistentKeepalive(interval);
    }

    /// <summary>The public key.</summary>
    public override string ToString()
    {
        return PublicKey.ToString();
    }

    internal void CountReceived(int bytes)
    {
        Interlocked.Add(ref _rxBytes, bytes);
    }

    internal void CountSent(int bytes)
    {
        Interlocked.Add(ref _txBytes, bytes);
    }

    internal void Heard(object? endpoint, int bytes)
    {
        CountReceived(bytes);
        if (Context.Options.RoamingEnabled && endpoint is not null && !ReferenceEquals(endpoint, Endpoint))
        {
            Endpoint = endpoint;
        }
    }
}

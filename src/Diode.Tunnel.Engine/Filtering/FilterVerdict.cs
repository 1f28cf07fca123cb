namespace Diode.Tunnel.Engine.Filtering;

/// <summary>What becomes of a packet. Everything but <see cref="Pass"/> means: drop (it has been counted).</summary>
public enum FilterVerdict
{
    /// <summary>Let it through.</summary>
    Pass,

    /// <summary>A new connection to something that isn't published to this peer.</summary>
    NotPublished,

    /// <summary>A reply or ICMP error that belongs to no connection of this peer.</summary>
    NoFlow,

    /// <summary>A ping from somebody who may not ping.</summary>
    PingDenied,

    /// <summary>An ICMP message that has no business in a tunnel.</summary>
    IcmpDenied,

    /// <summary>A later fragment whose first piece was not let through (or not seen in time).</summary>
    Fragment,

    /// <summary>A connection that was allowed once and is no longer.</summary>
    Revoked,
}

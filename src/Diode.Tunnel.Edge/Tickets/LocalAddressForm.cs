namespace Diode.Tunnel.Edge.Tickets;

/// <summary>The forms of the local_address field of a ticket (reference §4.2).</summary>
public enum LocalAddressForm
{
    /// <summary>Empty or not understood: only the relay of the ticket is known.</summary>
    None,

    /// <summary><c>00 | address20</c>: another relay is preferred to the one of the ticket.</summary>
    OtherFirst,

    /// <summary><c>01 | address20</c>: the relay of the ticket first, then another.</summary>
    ServerFirst,

    /// <summary><c>02 | RLP list of [key, value]</c>.</summary>
    Metadata,
}

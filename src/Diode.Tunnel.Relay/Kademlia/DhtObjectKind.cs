namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>Objects that the DHT takes.</summary>
public enum DhtObjectKind
{
    /// <summary>A relay's description of itself.</summary>
    Server,

    /// <summary>A version 1 ticket; can only be read with the hash of its block.</summary>
    TicketV1,

    /// <summary>A version 2 ticket.</summary>
    TicketV2,

    /// <summary>A small signed value.</summary>
    Data,
}

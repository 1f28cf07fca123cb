using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>Settings of an <see cref="EdgeClientSession"/>.</summary>
public sealed record EdgeClientOptions
{
    /// <summary>Fleet contract that pays; default is that of the Elixir client, the one relays use themselves.</summary>
    public Address Fleet { get; init; } = Address.Parse("0x8afe08d333f785c818199a5bdc7a52ac6ffc492a");

    /// <summary>Chain of the tickets; default Moonbeam. The Diode L1 (15) takes tickets of version 1; the session asks the relay for the block that dates them.</summary>
    public ulong ChainId { get; init; } = EdgeLimits.DefaultChainId;

    /// <summary>Version in hello; default 1001. 1000: the relay never asks for tickets. 1002: it also sends notify.</summary>
    public int ProtocolVersion { get; init; } = EdgeLimits.ProtocolVersion;

    /// <summary>Whether to ask for deflated frames; default no: what a tunnel sends is encrypted and does not shrink.</summary>
    public bool Zlib { get; init; }

    /// <summary>What earlier sessions of this device moved and signed at this relay; null if nothing is known.</summary>
    public TicketTotals? Totals { get; init; }

    /// <summary>Most bytes that tickets of an epoch may sign for; null = no limit. See SetTicketBudget.</summary>
    public ulong? TicketBudget { get; init; }

    /// <summary>
    /// Whether the owner signs tickets itself, away from its packet path: it is told by OnTicketDue and calls MakeTicket, Sign and
    /// SubmitTicket. Default no: signed on the spot (about a millisecond).
    /// </summary>
    public bool OwnerSigns { get; init; }

    /// <summary>Bytes paid ahead with every ticket; default 4,194,304.</summary>
    public ulong TicketHeadroom { get; init; } = EdgeLimits.TicketHeadroom;

    /// <summary>The nearest relay, if it is known and perhaps another one than this session's.</summary>
    public Address? PrimaryRelay { get; init; }

    /// <summary>The second nearest relay, if known.</summary>
    public Address? SecondaryRelay { get; init; }

    /// <summary>X25519 tunnel key (32 bytes) published in the ticket; empty to publish none.</summary>
    public ReadOnlyMemory<byte> TunnelKey { get; init; }

    /// <summary>Version of the tunnel protocol published in the ticket; null to publish none.</summary>
    public ulong? CapabilityVersion { get; init; }

    /// <summary>Most requests without an answer; more are refused; default 1024.</summary>
    public int MaxPendingRequests { get; init; } = 1024;

    /// <summary>Most open and half-open ports; more are refused; default 4096.</summary>
    public int MaxPorts { get; init; } = 4096;

    /// <summary>A request fails when it was not answered for so long; default 30 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The same for portopen; default 40 s, above the relay's own 35 s.</summary>
    public TimeSpan PortOpenTimeout { get; init; } = TimeSpan.FromSeconds(40);
}

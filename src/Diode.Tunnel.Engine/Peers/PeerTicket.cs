using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Peers;

/// <summary>What a device says of itself in its ticket, once its signature is checked.</summary>
/// <param name="TunnelKey">X25519 key of the data plane; null for a plain Diode device.</param>
/// <param name="Created">Unix seconds by the device's clock; 0 if not told.</param>
/// <param name="Relays">Relays it is to be met at, best first: those it prefers, then the one the ticket is for.</param>
internal sealed record PeerTicket(byte[]? TunnelKey, ulong Created, IReadOnlyList<Address> Relays)
{
    /// <summary>Hints beyond this number are not followed: devices name two.</summary>
    public const int MaxRelays = 4;

    /// <summary>Reads the answer of a relay. The device must have signed: a relay can withhold a ticket, not make one.</summary>
    public static bool TryRead(
        Address device, RelayReply reply, [NotNullWhen(true)] out PeerTicket? ticket, out string problem)
    {
        ticket = null;
        problem = "";
        if (reply.Error is not null)
        {
            problem = $"the relay answered: {reply.Error}";
        }
        else if (reply.Ticket is not TicketV2 version2)
        {
            problem = reply.Ticket is null
                ? "offline: no relay knows the device"
                : "its ticket is of version 1, whose signature cannot be checked without the chain";
        }
        else if (!version2.TryRecoverDevice(out Address signer) || signer != device)
        {
            problem = "a relay gave a ticket that the device has not signed";
        }
        else
        {
            LocalAddress local = version2.ReadLocalAddress();
            ticket = new PeerTicket(
                local.HasTunnelKey ? local.TunnelKey.ToArray() : null,
                local.Timestamp ?? 0,
                [.. local.PreferredRelays(version2.Server).Append(version2.Server).Distinct().Take(MaxRelays)]);
        }

        return ticket is not null;
    }
}

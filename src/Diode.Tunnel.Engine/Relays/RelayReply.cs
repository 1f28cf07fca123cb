using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>An answer of a relay, copied out of the receive buffer.</summary>
/// <param name="Error">The relay's error text; null if it answered.</param>
/// <param name="Ticket">The ticket asked for; null if there is none or it is damaged. Not verified.</param>
/// <param name="Server">The server object asked for; null if there is none. Its signature was checked.</param>
internal sealed record RelayReply(string? Error, Ticket? Ticket, ServerObject? Server = null)
{
    /// <summary>The port on the relay's host that was asked for; null if the answer is another.</summary>
    public ushort? PhysicalPort { get; init; }

    /// <summary>Copies what is needed of a reply.</summary>
    public static RelayReply From(in EdgeReply reply)
    {
        if (reply.IsError)
        {
            return Failed(reply.GetErrorMessage());
        }

        if (EdgeAnswers.TryReadPhysicalPort(reply, out ushort port))
        {
            return new RelayReply(null, null) { PhysicalPort = port };
        }

        Ethereum.Rlp.RlpReader values = reply.Values;
        return values.TryReadRaw(out ReadOnlySpan<byte> encoded) && DiodeObject.TryRead(encoded, out DiodeObject? value)
            ? new RelayReply(null, value.Ticket, value.Server)
            : new RelayReply(null, null);
    }

    /// <summary>A request that got no answer.</summary>
    public static RelayReply Failed(string reason)
    {
        return new RelayReply(reason, null);
    }
}

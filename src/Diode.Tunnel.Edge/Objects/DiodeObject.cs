using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Tickets;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>An object as getobject and getnode answer it: exactly one of the properties is set.</summary>
public sealed class DiodeObject
{
    private DiodeObject(Ticket? ticket, ServerObject? server, DataObject? data)
    {
        Ticket = ticket;
        Server = server;
        Data = data;
    }

    /// <summary>A ticket of a device. Its signatures are not checked yet: see <see cref="Tickets.Ticket.IsSignedBy"/>.</summary>
    public Ticket? Ticket { get; }

    /// <summary>A server object; its signature was checked.</summary>
    public ServerObject? Server { get; }

    /// <summary>A data object; its signature was checked.</summary>
    public DataObject? Data { get; }

    /// <summary>Reads the RLP list of an object.</summary>
    public static bool TryRead(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out DiodeObject? value)
    {
        value = null;
        if (Ticket.TryReadObject(encoded, out Ticket? ticket))
        {
            value = new DiodeObject(ticket, null, null);
        }
        else if (ServerObject.TryReadRlp(encoded, out ServerObject? server))
        {
            value = new DiodeObject(null, server, null);
        }
        else if (DataObject.TryReadRlp(encoded, out DataObject? data))
        {
            value = new DiodeObject(null, null, data);
        }

        return value is not null;
    }
}

using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// The accepted, countersigned tickets, at most one per device, fleet and epoch. Thread-safe; calls of one device are
/// made one at a time. A store on disk writes behind: <see cref="Put"/> does not wait for the disk.
/// </summary>
public interface ITicketStore
{
    /// <summary>The ticket of a device for a fleet and epoch, or null.</summary>
    Ticket? Find(Address device, Address fleet, ulong epoch);

    /// <summary>All tickets of a device.</summary>
    IReadOnlyList<Ticket> FindAll(Address device);

    /// <summary>All tickets of all devices, as of now.</summary>
    IReadOnlyList<Ticket> FindAll();

    /// <summary>Keeps a ticket in place of the one of the same fleet and epoch.</summary>
    void Put(Address device, Ticket ticket);

    /// <summary>Forgets the tickets a predicate names.</summary>
    void RemoveWhere(Func<Ticket, bool> isOld);

    /// <summary>Bytes that a device had used when the relay was stopped; told once, null where that is not known.</summary>
    ulong? TakeUsage(Address device, ulong epoch);

    /// <summary>Keeps what the devices of this run have used, and what nobody has taken; for the next start, when the store is closed in order.</summary>
    void PutUsage(ulong epoch, IEnumerable<(Address Device, ulong Bytes)> usage);
}

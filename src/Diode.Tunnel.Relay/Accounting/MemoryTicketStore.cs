using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>Tickets in memory: they are lost on restart, and devices hand in new ones when they reconnect.</summary>
public sealed class MemoryTicketStore : ITicketStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Address, Ticket[]> _tickets = [];

    /// <inheritdoc/>
    public Ticket? Find(Address device, Address fleet, ulong epoch)
    {
        return Array.Find(Get(device), ticket => ticket.Fleet == fleet && ticket.Epoch == epoch);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Ticket> FindAll(Address device)
    {
        return Get(device);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Ticket> FindAll()
    {
        return [.. ReadAll().Select(entry => entry.Ticket)];
    }

    /// <inheritdoc/>
    public void Put(Address device, Ticket ticket)
    {
        ArgumentNullException.ThrowIfNull(ticket);
        lock (_gate)
        {
            Ticket[] kept = Array.FindAll(
                Get(device), other => other.Fleet != ticket.Fleet || other.Epoch != ticket.Epoch);
            _tickets[device] = [.. kept, ticket];
        }
    }

    /// <inheritdoc/>
    public void RemoveWhere(Func<Ticket, bool> isOld)
    {
        lock (_gate)
        {
            foreach ((Address device, Ticket[] tickets) in _tickets)
            {
                Ticket[] kept = Array.FindAll(tickets, ticket => !isOld(ticket));
                if (kept.Length == 0)
                {
                    _tickets.Remove(device);
                }
                else if (kept.Length < tickets.Length)
                {
                    _tickets[device] = kept;
                }
            }
        }
    }

    /// <inheritdoc/>
    public ulong? TakeUsage(Address device, ulong epoch) => null;

    /// <inheritdoc/>
    public void PutUsage(ulong epoch, IEnumerable<(Address Device, ulong Bytes)> usage)
    {
    }

    /// <summary>A copy of all tickets, in no order of devices.</summary>
    internal List<(Address Device, Ticket Ticket)> ReadAll()
    {
        lock (_gate)
        {
            List<(Address, Ticket)> all = [];
            foreach ((Address device, Ticket[] tickets) in _tickets)
            {
                foreach (Ticket ticket in tickets)
                {
                    all.Add((device, ticket));
                }
            }

            return all;
        }
    }

    private Ticket[] Get(Address device)
    {
        lock (_gate)
        {
            return _tickets.TryGetValue(device, out Ticket[]? tickets) ? tickets : [];
        }
    }
}

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>Orders of things on the ring as seen from a key. Equal distances keep the order of the input.</summary>
public static class RingOrder
{
    /// <summary>Nearest first.</summary>
    public static IEnumerable<T> Nearest<T>(IEnumerable<T> items, RingKey key, Func<T, RingKey> place)
    {
        return items.OrderBy(item => key.DistanceTo(place(item)));
    }

    /// <summary>Going up from the key; what stands on the key itself is left out.</summary>
    public static IEnumerable<T> Successors<T>(IEnumerable<T> items, RingKey key, Func<T, RingKey> place)
    {
        return items.Where(item => place(item) != key).OrderBy(item => key.StepsUpTo(place(item)));
    }

    /// <summary>Going down from the key; what stands on the key itself is left out.</summary>
    public static IEnumerable<T> Predecessors<T>(IEnumerable<T> items, RingKey key, Func<T, RingKey> place)
    {
        return items.Where(item => place(item) != key).OrderBy(item => place(item).StepsUpTo(key));
    }
}

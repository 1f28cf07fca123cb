using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Peers;

/// <summary>In which order to try relays for a peer (diode-client §13.4). Pure.</summary>
internal static class RelayOrder
{
    /// <summary>
    /// Those of the peer's ticket in its order, then the one it was last reached at, then all others, the nearest first.
    /// </summary>
    /// <param name="connected">Connected relays, nearest first.</param>
    /// <param name="relayOf">The address of one.</param>
    /// <param name="hints">Relays that the peer's ticket names.</param>
    /// <param name="last">Where it was last reached.</param>
    public static List<T> Arrange<T>(
        IEnumerable<T> connected, Func<T, Address> relayOf, IReadOnlyList<Address> hints, Address? last)
    {
        return [.. connected.OrderBy(relay => Rank(relayOf(relay), hints, last))];
    }

    private static int Rank(Address relay, IReadOnlyList<Address> hints, Address? last)
    {
        for (int i = 0; i < hints.Count; i++)
        {
            if (hints[i] == relay)
            {
                return i;
            }
        }

        return relay == last ? int.MaxValue - 1 : int.MaxValue;
    }
}

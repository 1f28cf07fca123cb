namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>Where a datagram of a physical port goes.</summary>
internal enum UdpRoute
{
    /// <summary>From neither of the two.</summary>
    Drop,

    /// <summary>From the first sender while there is no second: to be kept for the second.</summary>
    Hold,

    /// <summary>To the first sender, from the second, who is new: what was kept is due now.</summary>
    Join,

    /// <summary>To the first sender.</summary>
    ToFirst,

    /// <summary>To the second sender.</summary>
    ToSecond,
}

/// <summary>
/// The first two senders to a UDP port, between whom packets are swapped. Senders are numbers made of address and port,
/// never 0. One thread.
/// </summary>
internal struct UdpPair
{
    private ulong _first;
    private ulong _second;

    public UdpRoute Route(ulong sender)
    {
        if (_first == 0)
        {
            _first = sender;
        }

        if (sender == _first)
        {
            return _second == 0 ? UdpRoute.Hold : UdpRoute.ToSecond;
        }

        if (_second == 0)
        {
            _second = sender;
            return UdpRoute.Join;
        }

        return sender == _second ? UdpRoute.ToFirst : UdpRoute.Drop;
    }
}

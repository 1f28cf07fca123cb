using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// Where clients must not go: everything that is not the public internet, each other, and this machine. The firewall
/// refuses the same again, so that neither alone is trusted. Immutable.
/// </summary>
internal sealed class ExitDestinations
{
    private readonly (uint Network, uint Mask)[] _denied;
    private readonly uint _gateway;

    /// <summary>Takes what is denied besides the special ranges of RFC 6890.</summary>
    /// <param name="pool">The clients' own network.</param>
    /// <param name="gateway">The exit's address in it, which may be reached (it answers echo requests only).</param>
    /// <param name="ownAddresses">Addresses of this machine.</param>
    public ExitDestinations(IPNetwork pool, IPAddress gateway, IEnumerable<IPAddress> ownAddresses)
    {
        IEnumerable<IPNetwork> own = ownAddresses
            .Where(static address => address.AddressFamily == AddressFamily.InterNetwork)
            .Select(static address => new IPNetwork(address, 32));
        _gateway = ExitAddressPool.ToNumber(gateway);
        _denied = [.. FirewallPrefixes.DeniedIpv4.Append(pool).Concat(own).Select(static network =>
            (ExitAddressPool.ToNumber(network.BaseAddress), uint.MaxValue << (32 - network.PrefixLength)))];
    }

    /// <summary>Whether an IPv4 packet of a client may go on.</summary>
    public bool IsAllowed(ReadOnlySpan<byte> packet)
    {
        uint destination = BinaryPrimitives.ReadUInt32BigEndian(packet[16..]);
        if (destination == _gateway)
        {
            return true;
        }

        foreach ((uint network, uint mask) in _denied)
        {
            if ((destination & mask) == network)
            {
                return false;
            }
        }

        return true;
    }
}

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
    private readonly uint[] _own;
    private readonly uint? _gateway;

    /// <summary>Takes what is denied besides the special ranges of RFC 6890.</summary>
    /// <param name="ownAddresses">Addresses of this machine.</param>
    /// <param name="pool">The clients' own network, if they have one.</param>
    /// <param name="gateway">The exit's address in it, which may be reached (it answers echo requests only).</param>
    public ExitDestinations(IEnumerable<IPAddress> ownAddresses, IPNetwork? pool = null, IPAddress? gateway = null)
    {
        _gateway = gateway is null ? null : ExitAddressPool.ToNumber(gateway);
        _own = [.. ownAddresses
            .Where(static address => address.AddressFamily == AddressFamily.InterNetwork)
            .Select(ExitAddressPool.ToNumber)];
        IEnumerable<IPNetwork> denied = pool is { } network ? FirewallPrefixes.DeniedIpv4.Append(network) : FirewallPrefixes.DeniedIpv4;
        _denied = [.. denied.Select(static prefix =>
            (ExitAddressPool.ToNumber(prefix.BaseAddress), uint.MaxValue << (32 - prefix.PrefixLength)))];
    }

    /// <summary>Whether an address is this machine's.</summary>
    public bool IsOwn(uint destination) => _own.AsSpan().Contains(destination);

    /// <summary>Whether an IPv4 packet of a client may go on.</summary>
    public bool IsAllowed(ReadOnlySpan<byte> packet) => IsAllowed(BinaryPrimitives.ReadUInt32BigEndian(packet[16..]));

    /// <summary>Whether an address may be reached.</summary>
    public bool IsAllowed(uint destination)
    {
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

        return !IsOwn(destination);
    }
}

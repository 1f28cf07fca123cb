using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Listening;

/// <summary>
/// Counts connections and unfinished handshakes per IPv4 address or IPv6 /64. Thread-safe; memory is bounded by the
/// number of connections.
/// </summary>
internal sealed class AddressLimiter(int maxConnections, int maxHandshakes)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, Counts> _counts = [];

    /// <summary>Counts a new connection, in handshake; false when the address has too many.</summary>
    /// <param name="address">Of the peer.</param>
    /// <param name="key">For the other calls.</param>
    /// <param name="budget">What the connections of the address share, as long as one is there.</param>
    public bool TryEnter(IPAddress address, out UInt128 key, out AddressBudget budget)
    {
        key = GetKey(address);
        lock (_gate)
        {
            if (!_counts.TryGetValue(key, out Counts counts))
            {
                counts = new Counts(0, 0, new AddressBudget());
            }

            budget = counts.Budget;
            if (counts.Connections >= maxConnections || counts.Handshakes >= maxHandshakes)
            {
                return false;
            }

            _counts[key] = counts with { Connections = counts.Connections + 1, Handshakes = counts.Handshakes + 1 };
            return true;
        }
    }

    /// <summary>The handshake of a connection is over, for better or worse.</summary>
    public void EndHandshake(UInt128 key)
    {
        lock (_gate)
        {
            if (_counts.TryGetValue(key, out Counts counts))
            {
                _counts[key] = counts with { Handshakes = counts.Handshakes - 1 };
            }
        }
    }

    /// <summary>A connection whose handshake was ended is gone.</summary>
    public void Leave(UInt128 key)
    {
        lock (_gate)
        {
            Counts counts = _counts.GetValueOrDefault(key);
            if (counts.Connections <= 1)
            {
                _counts.Remove(key);
            }
            else
            {
                _counts[key] = counts with { Connections = counts.Connections - 1 };
            }
        }
    }

    private static UInt128 GetKey(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        bool isIpv4 = address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6;
        (isIpv4 ? address.MapToIPv6() : address).TryWriteBytes(bytes, out _);
        if (!isIpv4)
        {
            bytes[8..].Clear();
        }

        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private readonly record struct Counts(int Connections, int Handshakes, AddressBudget Budget);
}

using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// Addresses that are connected, and those that were lately: coming back does not refill what was used up. Bounded.
/// Thread-safe.
/// </summary>
internal sealed class RpcAddressTable(TimeProvider time)
{
    private const int MaxAddresses = 65_536;
    private const long ForgetMs = 60_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, RpcAddress> _addresses = [];

    /// <summary>Counts a connection; null when the address has too many.</summary>
    public RpcAddress? TryEnter(IPAddress? address)
    {
        UInt128 key = GetKey(address ?? IPAddress.None);
        lock (_gate)
        {
            if (!_addresses.TryGetValue(key, out RpcAddress? entry))
            {
                if (_addresses.Count >= MaxAddresses)
                {
                    return null;
                }

                _addresses[key] = entry = new RpcAddress(time);
            }

            if (entry.Connections >= RpcLimits.MaxConnectionsPerAddress)
            {
                return null;
            }

            entry.Connections++;
            return entry;
        }
    }

    /// <summary>A connection is gone.</summary>
    public void Leave(RpcAddress entry)
    {
        lock (_gate)
        {
            entry.Connections--;
            entry.LeftMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        }
    }

    /// <summary>Forgets who has been away for a minute.</summary>
    public void Tick(long nowMs)
    {
        lock (_gate)
        {
            foreach ((UInt128 key, RpcAddress entry) in _addresses)
            {
                if (entry.Connections == 0 && nowMs - entry.LeftMs > ForgetMs)
                {
                    _addresses.Remove(key);
                }
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
}

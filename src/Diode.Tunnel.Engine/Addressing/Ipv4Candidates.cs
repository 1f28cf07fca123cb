using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>The deterministic sequence of usable IPv4 addresses of one device in one pool: h0, h1, h2… (see <see cref="VirtualAddresses"/>).</summary>
internal struct Ipv4Candidates
{
    private readonly AddressPool _pool;
    private Hash _hash;
    private bool _started;

    public Ipv4Candidates(in Address device, AddressPool pool)
    {
        _pool = pool;
        VirtualAddresses.HashOf(device, _hash);
    }

    /// <summary>The next usable address. Ends: at most a few in a thousand addresses of a pool are reserved.</summary>
    public uint Next()
    {
        Span<byte> hash = _hash;
        Span<byte> next = stackalloc byte[32];
        while (true)
        {
            if (_started)
            {
                Keccak256.Hash(hash, next);
                next.CopyTo(hash);
            }

            _started = true;
            uint address = _pool.Address(BinaryPrimitives.ReadUInt32BigEndian(hash));
            if (_pool.IsUsable(address))
            {
                return address;
            }
        }
    }

    [InlineArray(32)]
    private struct Hash
    {
        private byte _first;
    }
}

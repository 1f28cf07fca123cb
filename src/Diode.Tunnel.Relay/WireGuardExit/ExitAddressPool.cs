using System.Buffers.Binary;
using System.Net;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// Addresses of clients. The same key gets the same address while it is free; the first 253 clients of a pool
/// 10.0.0.0/16 get <c>10.0.0.x</c> as at real relays. Not thread-safe.
/// </summary>
internal sealed class ExitAddressPool
{
    private const int BitsPerWord = 64;
    private const uint BlockSize = 256;

    private readonly uint _base;
    private readonly uint _size;
    private readonly ulong[] _taken;

    /// <summary>Makes an empty pool of an IPv4 network with a prefix of 8 to 24.</summary>
    public ExitAddressPool(IPNetwork network)
    {
        Network = network;
        _base = ToNumber(network.BaseAddress);
        _size = 1u << (32 - network.PrefixLength);
        _taken = new ulong[_size / BitsPerWord];

        // Real software trips over .0 and .255, wherever they lie in a wider network. The first host is the gateway.
        Mark(1);
        for (uint block = 0; block < _size; block += BlockSize)
        {
            Mark(block);
            Mark(block + BlockSize - 1);
        }

        Capacity = (int)(_size / BlockSize * (BlockSize - 2)) - 1;
    }

    public IPNetwork Network { get; }

    /// <summary>Clients that fit.</summary>
    public int Capacity { get; }

    /// <summary>Addresses in use.</summary>
    public int Count { get; private set; }

    /// <summary>Address of the exit inside the tunnel.</summary>
    public IPAddress Gateway => ToAddress(_base + 1);

    /// <summary>Takes an address for a key; false when all are taken. Every address is looked at once at most.</summary>
    public bool TryTake(ReadOnlySpan<byte> key, out uint address)
    {
        uint seed = BinaryPrimitives.ReadUInt32LittleEndian(key) ^ BinaryPrimitives.ReadUInt32LittleEndian(key[4..]);
        bool found = TryFind(seed % BlockSize, BlockSize, out uint index) || TryFind(seed % _size, _size, out index);
        if (found)
        {
            Mark(index);
            Count++;
        }

        address = _base + index;
        return found;
    }

    /// <summary>Takes a certain address; false when it is taken, reserved or not of this pool.</summary>
    public bool TryClaim(uint address)
    {
        uint index = address - _base;
        if (index >= _size || IsTaken(index))
        {
            return false;
        }

        Mark(index);
        Count++;
        return true;
    }

    /// <summary>Gives an address back.</summary>
    public void Release(uint address)
    {
        uint index = address - _base;
        _taken[index / BitsPerWord] &= ~(1ul << (int)(index % BitsPerWord));
        Count--;
    }

    public static uint ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        _ = address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }

    public static IPAddress ToAddress(uint number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return new IPAddress(bytes);
    }

    private bool TryFind(uint start, uint limit, out uint index)
    {
        index = start;
        for (uint looked = 0; looked < limit;)
        {
            if (index % BitsPerWord == 0 && _taken[index / BitsPerWord] == ulong.MaxValue)
            {
                looked += BitsPerWord;
                index += BitsPerWord;
            }
            else if (!IsTaken(index))
            {
                return true;
            }
            else
            {
                looked++;
                index++;
            }

            index = index >= limit ? 0 : index;
        }

        return false;
    }

    private bool IsTaken(uint index) => (_taken[index / BitsPerWord] & (1ul << (int)(index % BitsPerWord))) != 0;

    private void Mark(uint index) => _taken[index / BitsPerWord] |= 1ul << (int)(index % BitsPerWord);
}

using System.Numerics;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>An insert-then-read hash table from address to number: linear probing, at most half full, no allocation on lookup.</summary>
internal sealed class AddressIndex
{
    private readonly Slot[] _slots;
    private readonly int _shift;

    public AddressIndex(int capacity)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity * 2, 8));
        _slots = new Slot[size];
        _shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>Adds an address; the first number of an address stays.</summary>
    public void Add(in PacketAddress address, int number)
    {
        int slot = FirstSlot(address);
        while (_slots[slot].NumberPlusOne != 0)
        {
            if (_slots[slot].Address == address)
            {
                return;
            }

            slot = (slot + 1) & (_slots.Length - 1);
        }

        _slots[slot] = new Slot(address, number + 1);
    }

    public bool TryFind(in PacketAddress address, out int number)
    {
        int slot = FirstSlot(address);
        while (_slots[slot].NumberPlusOne != 0)
        {
            if (_slots[slot].Address == address)
            {
                number = _slots[slot].NumberPlusOne - 1;
                return true;
            }

            slot = (slot + 1) & (_slots.Length - 1);
        }

        number = -1;
        return false;
    }

    // Multiplicative hashing; the addresses are themselves hashes of keys, so members can't aim at one slot cheaply.
    private int FirstSlot(in PacketAddress address)
    {
        return (int)(((address.Low ^ address.High) * 0x9E37_79B9_7F4A_7C15) >> _shift);
    }

    private readonly record struct Slot(PacketAddress Address, int NumberPlusOne);
}

using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>What a receiver index stands for: first a handshake of a peer, then the keypair that came of it.</summary>
internal sealed class ReceiverSlot(uint index, PeerSession session)
{
    private Keypair? _keypair;

    public uint Index { get; } = index;

    public PeerSession Session { get; } = session;

    public Keypair? Keypair
    {
        get => Volatile.Read(ref _keypair);
        set => Volatile.Write(ref _keypair, value);
    }
}

/// <summary>The interface's receiver indices: random, unique, found without a lock. Thread-safe.</summary>
internal sealed class ReceiverIndices(Action<Span<byte>> random)
{
    private readonly ConcurrentDictionary<uint, ReceiverSlot> _slots = new();

    public int Count => _slots.Count;

    public ReceiverSlot Allocate(PeerSession session)
    {
        while (true)
        {
            uint index = 0;
            random(MemoryMarshal.AsBytes(new Span<uint>(ref index)));
            ReceiverSlot slot = new(index, session);
            if (_slots.TryAdd(index, slot))
            {
                return slot;
            }
        }
    }

    public ReceiverSlot? Find(uint index)
    {
        return _slots.GetValueOrDefault(index);
    }

    public void Free(uint index)
    {
        _slots.TryRemove(index, out _);
    }
}

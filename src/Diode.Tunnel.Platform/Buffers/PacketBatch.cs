namespace Diode.Tunnel.Platform.Buffers;

/// <summary>
/// A fixed row of slots that carries packets through one system call. The batch owns the buffers in its slots,
/// also those behind <see cref="Count"/>, which wait for the next fill. Not thread-safe.
/// </summary>
public sealed class PacketBatch
{
    /// <summary>Most packets one batch carries.</summary>
    public const int MaxPackets = 64;

    private readonly PacketPool _pool;

    /// <summary>Creates an empty batch; buffers are rented when a slot is first filled.</summary>
    /// <param name="pool">Where buffers come from and go back to.</param>
    /// <param name="capacity">Slots, 1 to <see cref="MaxPackets"/>.</param>
    public PacketBatch(PacketPool pool, int capacity = MaxPackets)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MaxPackets);
        _pool = pool;
        Packets = new PacketBuffer[capacity];
    }

    /// <summary>The slots. Those below <see cref="Count"/> hold packets, unless one was taken out.</summary>
    public PacketBuffer[] Packets { get; }

    /// <summary>How many slots hold packets.</summary>
    public int Count { get; set; }

    /// <summary>Number of slots.</summary>
    public int Capacity => Packets.Length;

    /// <summary>True if no further packet fits.</summary>
    public bool IsFull => Count == Packets.Length;

    /// <summary>The empty buffer of a slot, rented if the slot has none. The batch stays the owner.</summary>
    public PacketBuffer Prepare(int index)
    {
        PacketBuffer buffer = Packets[index] ??= _pool.Rent();
        buffer.Reset();
        return buffer;
    }

    /// <summary>Moves the buffer of a slot to the caller and leaves the slot empty.</summary>
    public PacketBuffer Take(int index)
    {
        PacketBuffer buffer = Packets[index];
        Packets[index] = null!;
        return buffer;
    }

    /// <summary>Moves a filled buffer into the batch.</summary>
    /// <returns>False if the batch is full; the caller keeps the buffer.</returns>
    public bool TryAdd(PacketBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (IsFull)
        {
            return false;
        }

        if (Packets[Count] is { } waiting)
        {
            _pool.Return(waiting);
        }

        Packets[Count++] = buffer;
        return true;
    }

    /// <summary>Forgets the packets and keeps the buffers for the next fill.</summary>
    public void Clear() => Count = 0;

    /// <summary>Gives all buffers back to the pool.</summary>
    public void Release()
    {
        Count = 0;
        for (int i = 0; i < Packets.Length; i++)
        {
            if (Packets[i] is { } buffer)
            {
                Packets[i] = null!;
                _pool.Return(buffer);
            }
        }
    }
}

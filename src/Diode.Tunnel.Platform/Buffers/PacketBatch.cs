namespace Diode.Tunnel.Platform.Buffers;

/// <summary>
/// A fixed row of slots that carries packets through one system call. The batch owns the buffers in its slots,
/// also those behind <see cref="Count"/>, which wait for the next fill. Not thread-safe.
/// </summary>
public sealed class PacketBatch
{
    /// <summary>Most packets one batch carries.</summary>
    public const int MaxPackets = 64;

    /// <summary>Large buffers a batch keeps: as many super-packets are read at once, which is half a megabyte.</summary>
    internal const int MaxLarge = 8;

    private readonly PacketPool _pool;
    private PacketBuffer? _spare;

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
        if (_spare is { } spare)
        {
            _spare = null;
            _pool.Return(spare);
        }

        for (int i = 0; i < Packets.Length; i++)
        {
            if (Packets[i] is { } buffer)
            {
                Packets[i] = null!;
                _pool.Return(buffer);
            }
        }
    }

    /// <summary>A large buffer beside the slots: where a packet goes that turns out longer than its slot.</summary>
    internal PacketBuffer PrepareSpare()
    {
        _spare ??= _pool.RentLarge();
        _spare.Reset();
        return _spare;
    }

    /// <summary>Puts the spare into a slot in place of the buffer there, which goes back to the pool.</summary>
    internal PacketBuffer UseSpare(int index)
    {
        PacketBuffer spare = _spare!;
        _spare = null;
        _pool.Return(Packets[index]);
        Packets[index] = spare;
        return spare;
    }

    /// <summary>Returns large buffers beyond <see cref="MaxLarge"/>, which gather when super-packets come into changing slots.</summary>
    internal void TrimLarge()
    {
        int large = 0;
        for (int i = 0; i < Packets.Length; i++)
        {
            if (Packets[i] is { IsLarge: true } buffer && ++large > MaxLarge)
            {
                Packets[i] = null!;
                _pool.Return(buffer);
            }
        }
    }
}

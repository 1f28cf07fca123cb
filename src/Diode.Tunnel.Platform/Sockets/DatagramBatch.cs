using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// The datagrams of one receive: a row of large buffers, each with one datagram or a train of them from one sender. The batch owns the
/// buffers, also those that wait for the next receive, unless one is taken. Memory is touched only as far as datagrams reach. Not
/// thread-safe.
/// </summary>
public sealed class DatagramBatch
{
    /// <summary>Most slots of a batch.</summary>
    public const int MaxCapacity = 64;

    /// <summary>
    /// Slots used while trains arrive: 16 of them are 1 MiB, which is more than a cache holds. For single datagrams all are used.
    /// </summary>
    internal const int TrainCapacity = 16;

    private const int LongAverage = 8192;

    private readonly PacketPool _pool;
    private readonly PacketBuffer?[] _buffers;
    private readonly EndpointAddress[] _sources;
    private readonly int[] _segmentSizes;
    private int _armed;
    private int _used;
    private bool _hasTrains;

    /// <summary>Creates an empty batch; large buffers are rented when they are first needed.</summary>
    /// <param name="pool">Where buffers come from and go back to.</param>
    /// <param name="capacity">Slots, 1 to <see cref="MaxCapacity"/>.</param>
    public DatagramBatch(PacketPool pool, int capacity = MaxCapacity)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MaxCapacity);
        _pool = pool;
        _buffers = new PacketBuffer?[capacity];
        _sources = new EndpointAddress[capacity];
        _segmentSizes = new int[capacity];
    }

    /// <summary>How many slots were filled by the last receive.</summary>
    public int Count { get; private set; }

    /// <summary>Number of slots.</summary>
    public int Capacity => _buffers.Length;

    /// <summary>Memory of the system calls; belongs to the socket implementation that made it.</summary>
    internal ReceiveVectors? Vectors { get; set; }

    /// <summary>A filled slot's bytes, with full headroom: one datagram, or a train. The batch stays the owner.</summary>
    /// <exception cref="InvalidOperationException">The buffer was taken.</exception>
    public PacketBuffer Buffer(int index) =>
        _buffers[index] ?? throw new InvalidOperationException("The buffer was taken out of the batch.");

    /// <summary>Who sent the datagrams of a slot.</summary>
    public ref readonly EndpointAddress Source(int index) => ref _sources[index];

    /// <summary>Size of each datagram of a slot but the last, which may be shorter; 0 if there is only one.</summary>
    public int SegmentSize(int index) => _segmentSizes[index];

    /// <summary>Moves the buffer of a slot to the caller.</summary>
    public PacketBuffer Take(int index)
    {
        PacketBuffer buffer = Buffer(index);
        _buffers[index] = null;
        return buffer;
    }

    /// <summary>Gives all buffers back to the pool.</summary>
    public void Release()
    {
        Count = 0;
        _armed = 0;
        for (int i = 0; i < _buffers.Length; i++)
        {
            if (_buffers[i] is { } buffer)
            {
                _buffers[i] = null;
                _pool.Return(buffer);
            }
        }
    }

    /// <summary>Forgets the datagrams and keeps the buffers.</summary>
    internal void Clear() => Count = 0;

    /// <summary>Makes the slots of the next system call ready: those used since the last one, and those never used.</summary>
    /// <returns>How many there are.</returns>
    internal int Arm(ReceiveVectors vectors)
    {
        int count = _hasTrains ? Math.Min(TrainCapacity, Capacity) : Capacity;
        for (int i = 0; i < count; i++)
        {
            if (i < _used || i >= _armed)
            {
                vectors.Arm(i, Prepare(i));
            }
        }

        // Slots that an earlier, larger call has used and this one does not need: the kernel has shortened their room for control data, and
        // a train without its segment size would be taken for one datagram.
        _armed = _used > count ? count : Math.Max(_armed, count);
        _used = 0;
        return count;
    }

    /// <summary>Notes how many slots a system call may have touched: they have to be made ready again.</summary>
    internal void Use(int count) => _used = count;

    /// <summary>Notes what arrived, to choose how many slots the next call gets.</summary>
    internal void NoteLengths(int count, long bytes) => _hasTrains = bytes > (long)count * LongAverage;

    /// <summary>The buffer the next datagram of a slot is read into, rented if there is none.</summary>
    internal PacketBuffer Prepare(int index)
    {
        PacketBuffer buffer = _buffers[index] ??= _pool.RentLarge();
        buffer.Reset();
        return buffer;
    }

    /// <summary>Accepts what was read into a slot as the next of the batch; slots in between were of no use.</summary>
    internal void Accept(int slot, int length, in EndpointAddress source, int segmentSize)
    {
        int index = Count++;
        if (slot != index)
        {
            (_buffers[index], _buffers[slot]) = (_buffers[slot], _buffers[index]);
        }

        _buffers[index]!.Length = length;
        _sources[index] = source;
        _segmentSizes[index] = segmentSize < length ? segmentSize : 0;
    }
}

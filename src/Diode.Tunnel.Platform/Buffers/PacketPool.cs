namespace Diode.Tunnel.Platform.Buffers;

/// <summary>
/// Keeps idle <see cref="PacketBuffer"/>s for reuse. Thread-safe. Bounded in what it keeps, not in what it hands out:
/// every queue that holds rented buffers is bounded itself.
/// </summary>
public sealed class PacketPool
{
    private readonly Lock _gate = new();
    private readonly PacketBuffer[] _standard;
    private readonly PacketBuffer[] _large;
    private int _standardCount;
    private int _largeCount;
    private long _created;
    private long _rented;

    /// <summary>Creates an empty pool.</summary>
    /// <param name="maxIdle">Ordinary buffers (2 KiB each) kept at most.</param>
    /// <param name="maxIdleLarge">Large buffers (64 KiB each) kept at most.</param>
    public PacketPool(int maxIdle = 4096, int maxIdleLarge = 128)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxIdle);
        ArgumentOutOfRangeException.ThrowIfNegative(maxIdleLarge);
        _standard = new PacketBuffer[maxIdle];
        _large = new PacketBuffer[maxIdleLarge];
    }

    /// <summary>Buffers ever created; stays constant in steady state.</summary>
    public long Created => Volatile.Read(ref _created);

    /// <summary>Buffers handed out and not returned yet.</summary>
    public long Rented => Volatile.Read(ref _rented);

    /// <summary>Hands out an empty ordinary buffer; the caller owns it.</summary>
    public PacketBuffer Rent() => Rent(_standard, ref _standardCount, PacketBuffer.StandardCapacity);

    /// <summary>Hands out an empty buffer for packets of up to 65535 bytes; the caller owns it.</summary>
    public PacketBuffer RentLarge() => Rent(_large, ref _largeCount, PacketBuffer.LargeCapacity);

    /// <summary>Takes a buffer back. The caller must not touch it again.</summary>
    /// <exception cref="InvalidOperationException">The buffer was returned before.</exception>
    public void Return(PacketBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        lock (_gate)
        {
            ReturnLocked(buffer);
        }
    }

    /// <summary>Takes several buffers back under one lock.</summary>
    public void Return(ReadOnlySpan<PacketBuffer> buffers)
    {
        lock (_gate)
        {
            foreach (PacketBuffer buffer in buffers)
            {
                ReturnLocked(buffer);
            }
        }
    }

    private PacketBuffer Rent(PacketBuffer[] idle, ref int count, int capacity)
    {
        lock (_gate)
        {
            _rented++;
            if (count > 0)
            {
                PacketBuffer buffer = idle[--count];
                idle[count] = null!;
                buffer.IsPooled = false;
                buffer.Reset();
                return buffer;
            }

            _created++;
        }

        return new PacketBuffer(capacity);
    }

    private void ReturnLocked(PacketBuffer buffer)
    {
        if (buffer.IsPooled)
        {
            throw new InvalidOperationException("The packet buffer was returned twice.");
        }

        buffer.IsPooled = true;
        _rented--;
        if (buffer.Array.Length == PacketBuffer.StandardCapacity)
        {
            if (_standardCount < _standard.Length)
            {
                _standard[_standardCount++] = buffer;
            }
        }
        else if (_largeCount < _large.Length)
        {
            _large[_largeCount++] = buffer;
        }
    }
}

using System.Buffers;

namespace Diode.Tunnel.Edge.Framing;

/// <summary>
/// Bytes waiting to be sent: written at the end, taken from the front. One growing array from the shared pool, given
/// back when everything is taken, so an idle session holds no memory. It never refuses a write: the owner watches
/// <see cref="Length"/> and stops producing. Not thread-safe.
/// </summary>
public sealed class OutputBuffer : IBufferWriter<byte>, IDisposable
{
    private const int MinCapacity = 512;

    private byte[] _buffer = [];
    private int _start;
    private int _end;

    /// <summary>Number of bytes waiting.</summary>
    public int Length => _end - _start;

    /// <summary>The bytes waiting; valid until the next call of any other member.</summary>
    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(_start, Length);

    /// <summary>Moves bytes from the front into <paramref name="destination"/>; returns how many.</summary>
    public int Read(Span<byte> destination)
    {
        int count = Math.Min(destination.Length, Length);
        _buffer.AsSpan(_start, count).CopyTo(destination);
        Consume(count);
        return count;
    }

    /// <summary>Drops bytes from the front, once they were sent from <see cref="WrittenMemory"/>.</summary>
    public void Consume(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length);
        _start += count;
        if (_start == _end)
        {
            Dispose();
        }
    }

    /// <inheritdoc/>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _end);
        _end += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_end);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_end);
    }

    /// <summary>Drops everything and gives the memory back; the buffer can be used again.</summary>
    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }

        _start = 0;
        _end = 0;
    }

    private void Reserve(int count)
    {
        count = Math.Max(count, 1);
        if (_buffer.Length - _end >= count)
        {
            return;
        }

        int length = Length;
        byte[] grown = _buffer;
        if (_buffer.Length - length < count || length > _start)
        {
            grown = ArrayPool<byte>.Shared.Rent(Math.Max(MinCapacity, Math.Max(2 * length, length + count)));
        }

        _buffer.AsSpan(_start, length).CopyTo(grown);
        if (grown != _buffer && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = grown;
        _start = 0;
        _end = length;
    }
}

using System.Buffers;
using System.Buffers.Binary;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// Collects decrypted bytes of one session and hands out whole frames (<c>u16be length | payload</c>). Owns rented
/// memory only while bytes wait in it. One thread at a time. The caller bounds it by taking all whole frames before
/// it adds more; what is left is then shorter than one frame.
/// </summary>
internal sealed class FrameBuffer : IBufferWriter<byte>
{
    private const int HeaderLength = 2;
    private const int SmallSize = 16 * 1024;

    private byte[] _array = [];
    private int _start;
    private int _end;

    /// <summary>Bytes not taken yet.</summary>
    public int Length => _end - _start;

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _array.Length - _end);
        _end += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsMemory(_end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsSpan(_end);
    }

    /// <summary>The payload of the first frame if it is complete; it stays until <see cref="Take"/>.</summary>
    public bool TryPeek(out ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> bytes = _array.AsSpan(_start, _end - _start);
        if (bytes.Length >= HeaderLength)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(bytes);
            if (bytes.Length - HeaderLength >= length)
            {
                payload = bytes.Slice(HeaderLength, length);
                return true;
            }
        }

        payload = default;
        return false;
    }

    /// <summary>Drops the frame seen last.</summary>
    public void Take(int payloadLength)
    {
        _start += HeaderLength + payloadLength;
    }

    /// <summary>Gives memory back when nothing waits.</summary>
    public void Trim()
    {
        if (_start == _end)
        {
            Release();
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Release()
    {
        if (_array.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_array);
            _array = [];
        }

        _start = 0;
        _end = 0;
    }

    private void Reserve(int count)
    {
        if (_array.Length - _end >= count)
        {
            return;
        }

        int length = _end - _start;
        if (_start > 0 && _array.Length - length >= count && length <= _array.Length / 2)
        {
            _array.AsSpan(_start, length).CopyTo(_array);
        }
        else
        {
            // A frame that was begun says how long it gets: room for all of it at once, so that it is not copied again; but only when much of
            // it is there, since saying so costs a peer nothing.
            int frame = length >= SmallSize / 2 ? HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(_array.AsSpan(_start)) : 0;
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(SmallSize, frame + count), Math.Max(length + count, 2 * length)));
            _array.AsSpan(_start, length).CopyTo(larger);
            if (_array.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_array);
            }

            _array = larger;
        }

        _start = 0;
        _end = length;
    }
}

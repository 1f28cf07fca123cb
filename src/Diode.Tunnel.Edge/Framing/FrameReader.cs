using System.Buffers;
using System.Buffers.Binary;

namespace Diode.Tunnel.Edge.Framing;

/// <summary>
/// Cuts a byte stream into frames, however it arrives:
/// <code>u16be length | payload (length bytes)</code>
/// Whole frames are returned as slices of the input; only a frame that is cut across inputs is copied, into a pooled
/// buffer of at most 65,537 bytes that is held no longer than needed. Frames of length 0 are skipped.
/// Not thread-safe.
/// </summary>
public sealed class FrameReader : IDisposable
{
    private byte[] _partial = [];
    private int _length;

    /// <summary>Number of bytes of an unfinished frame.</summary>
    public int Buffered => _length;

    /// <summary>
    /// Takes the next frame; <paramref name="input"/> shrinks by what was used. False when the input is used up.
    /// The payload is valid until the next call and while the memory behind the input is.
    /// </summary>
    public bool TryRead(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> payload)
    {
        Release(onlyIfComplete: true);
        while (_length == 0 && input.Length >= EdgeLimits.FrameHeaderLength)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(input);
            if (input.Length - EdgeLimits.FrameHeaderLength < length)
            {
                break;
            }

            payload = input.Slice(EdgeLimits.FrameHeaderLength, length);
            input = input[(EdgeLimits.FrameHeaderLength + length)..];
            if (length > 0)
            {
                return true;
            }
        }

        return TryComplete(ref input, out payload);
    }

    /// <summary>Forgets an unfinished frame and gives its memory back.</summary>
    public void Dispose()
    {
        Release(onlyIfComplete: false);
    }

    private bool TryComplete(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        while (!input.IsEmpty)
        {
            int wanted = FrameLength() - _length;
            int take = Math.Min(wanted, input.Length);
            Reserve(_length + take);
            input[..take].CopyTo(_partial.AsSpan(_length));
            input = input[take..];
            _length += take;
            if (_length < EdgeLimits.FrameHeaderLength || _length < FrameLength())
            {
                continue;
            }

            if (_length > EdgeLimits.FrameHeaderLength)
            {
                payload = _partial.AsSpan(EdgeLimits.FrameHeaderLength, _length - EdgeLimits.FrameHeaderLength);
                return true;
            }

            // A zero-length frame whose header came in two pieces.
            Release(onlyIfComplete: false);
            return TryRead(ref input, out payload);
        }

        return false;
    }

    /// <summary>Length of the unfinished frame with its header, or just the header while that is incomplete.</summary>
    private int FrameLength()
    {
        return _length < EdgeLimits.FrameHeaderLength
            ? EdgeLimits.FrameHeaderLength
            : EdgeLimits.FrameHeaderLength + BinaryPrimitives.ReadUInt16BigEndian(_partial);
    }

    private void Reserve(int count)
    {
        if (_partial.Length >= count)
        {
            return;
        }

        int size = _length < EdgeLimits.FrameHeaderLength ? count : Math.Max(count, FrameLength());
        byte[] grown = ArrayPool<byte>.Shared.Rent(size);
        _partial.AsSpan(0, _length).CopyTo(grown);
        if (_partial.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_partial);
        }

        _partial = grown;
    }

    private void Release(bool onlyIfComplete)
    {
        if (_partial.Length == 0
            || (onlyIfComplete && (_length < EdgeLimits.FrameHeaderLength || _length < FrameLength())))
        {
            return;
        }

        ArrayPool<byte>.Shared.Return(_partial);
        _partial = [];
        _length = 0;
    }
}

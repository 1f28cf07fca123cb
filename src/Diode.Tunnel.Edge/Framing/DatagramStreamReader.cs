using System.Buffers;
using System.Buffers.Binary;

namespace Diode.Tunnel.Edge.Framing;

/// <summary>
/// Takes datagrams out of the byte stream of a <c>udp:</c> port (see <see cref="DatagramStreamWriter"/>). Whole
/// datagrams are slices of the input; one that is cut across inputs is put together in a pooled buffer of at most
/// 65,539 bytes. A length above 65,535 poisons the stream: <see cref="IsBroken"/>, and the port is to be closed.
/// Not thread-safe.
/// </summary>
public sealed class DatagramStreamReader : IDisposable
{
    private byte[] _partial = [];
    private int _length;

    /// <summary>Whether an impossible length was seen; nothing more is read.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Number of bytes of an unfinished datagram.</summary>
    public int Buffered => _length;

    /// <summary>
    /// Takes the next datagram (may be empty); <paramref name="input"/> shrinks by what was used. False when the
    /// input is used up or the stream is broken. The datagram is valid until the next call and while the memory
    /// behind the input is.
    /// </summary>
    public bool TryRead(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> datagram)
    {
        ReleaseIfComplete();
        datagram = default;
        if (IsBroken)
        {
            return false;
        }

        if (_length == 0 && input.Length >= DatagramStreamWriter.HeaderLength)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(input);
            if (length > EdgeLimits.MaxDatagram)
            {
                IsBroken = true;
                return false;
            }

            int end = DatagramStreamWriter.HeaderLength + (int)length;
            if (input.Length >= end)
            {
                datagram = input[DatagramStreamWriter.HeaderLength..end];
                input = input[end..];
                return true;
            }
        }

        return TryComplete(ref input, out datagram);
    }

    /// <summary>Forgets an unfinished datagram and gives its memory back.</summary>
    public void Dispose()
    {
        if (_partial.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_partial);
            _partial = [];
        }

        _length = 0;
    }

    private bool TryComplete(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> datagram)
    {
        datagram = default;
        while (!input.IsEmpty)
        {
            int take = Math.Min(WantedLength() - _length, input.Length);
            Reserve(_length + take);
            input[..take].CopyTo(_partial.AsSpan(_length));
            input = input[take..];
            _length += take;
            if (_length < DatagramStreamWriter.HeaderLength)
            {
                continue;
            }

            if (BinaryPrimitives.ReadUInt32LittleEndian(_partial) > EdgeLimits.MaxDatagram)
            {
                IsBroken = true;
                Dispose();
                return false;
            }

            if (_length == WantedLength())
            {
                datagram = _partial.AsSpan(
                    DatagramStreamWriter.HeaderLength, _length - DatagramStreamWriter.HeaderLength);
                return true;
            }
        }

        return false;
    }

    private int WantedLength()
    {
        return _length < DatagramStreamWriter.HeaderLength
            ? DatagramStreamWriter.HeaderLength
            : DatagramStreamWriter.HeaderLength + BinaryPrimitives.ReadInt32LittleEndian(_partial);
    }

    private void Reserve(int count)
    {
        if (_partial.Length >= count)
        {
            return;
        }

        int size = _length < DatagramStreamWriter.HeaderLength ? count : Math.Max(count, WantedLength());
        byte[] grown = ArrayPool<byte>.Shared.Rent(size);
        _partial.AsSpan(0, _length).CopyTo(grown);
        if (_partial.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_partial);
        }

        _partial = grown;
    }

    private void ReleaseIfComplete()
    {
        if (_length >= DatagramStreamWriter.HeaderLength && _length == WantedLength())
        {
            Dispose();
        }
    }
}

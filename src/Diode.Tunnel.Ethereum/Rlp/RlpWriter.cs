using System.Diagnostics;
using System.Numerics;
using System.Text;

namespace Diode.Tunnel.Ethereum.Rlp;

/// <summary>
/// Writes canonical RLP into one growing buffer that is reused after <see cref="Reset"/>: no allocation once it has
/// grown. Lists are opened and closed; a list of more than 55 bytes is moved once when it is closed.
/// Not thread-safe.
/// </summary>
public sealed class RlpWriter
{
    private const int MaxDepth = RlpItem.MaxDepth;

    private readonly int[] _open = new int[MaxDepth];
    private byte[] _buffer;
    private int _length;
    private int _depth;

    /// <summary>Starts with room for <paramref name="capacity"/> bytes.</summary>
    public RlpWriter(int capacity = 256)
    {
        _buffer = new byte[Math.Max(capacity, 16)];
    }

    /// <summary>The bytes written; valid until the next write. All lists must be closed.</summary>
    public ReadOnlySpan<byte> WrittenSpan
    {
        get
        {
            Debug.Assert(_depth == 0, "a list is still open");
            return _buffer.AsSpan(0, _length);
        }
    }

    /// <summary>Number of bytes written.</summary>
    public int Length => _length;

    /// <summary>Forgets what was written and keeps the buffer.</summary>
    public void Reset()
    {
        _length = 0;
        _depth = 0;
    }

    /// <summary>Opens a list; what follows up to <see cref="EndList"/> are its items.</summary>
    /// <exception cref="InvalidOperationException">More lists are open than a reader would accept.</exception>
    public void BeginList()
    {
        if (_depth == MaxDepth)
        {
            throw new InvalidOperationException("RLP lists are nested too deeply");
        }

        Reserve(1);
        _open[_depth++] = _length++;
    }

    /// <summary>Closes the list opened last.</summary>
    /// <exception cref="InvalidOperationException">No list is open.</exception>
    public void EndList()
    {
        if (_depth == 0)
        {
            throw new InvalidOperationException("no RLP list is open");
        }

        int start = _open[--_depth];
        int payload = _length - start - 1;
        int header = RlpEncoding.GetHeaderLength(payload);
        if (header > 1)
        {
            Reserve(header - 1);
            _buffer.AsSpan(start + 1, payload).CopyTo(_buffer.AsSpan(start + header));
            _length += header - 1;
        }

        RlpEncoding.WriteListHeader(_buffer.AsSpan(start), payload);
    }

    /// <summary>Writes a byte string.</summary>
    public void WriteBytes(ReadOnlySpan<byte> value)
    {
        Reserve(RlpEncoding.MaxHeaderLength + value.Length);
        _length += RlpEncoding.WriteBytes(_buffer.AsSpan(_length), value);
    }

    /// <summary>Writes a non-negative integer, shortest form; 0 is the empty string.</summary>
    public void WriteUInt64(ulong value)
    {
        Reserve(9);
        _length += RlpEncoding.WriteUInt64(_buffer.AsSpan(_length), value);
    }

    /// <summary>Writes a non-negative integer of any size, shortest form.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative; RLP has no form for it.</exception>
    public void WriteBigInteger(BigInteger value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value.Sign, nameof(value));
        WriteBytes(value.IsZero ? [] : value.ToByteArray(isUnsigned: true, isBigEndian: true));
    }

    /// <summary>Writes the UTF-8 bytes of a text.</summary>
    public void WriteText(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        Span<byte> bytes = length <= 256 ? stackalloc byte[length] : new byte[length];
        Encoding.UTF8.GetBytes(text, bytes);
        WriteBytes(bytes);
    }

    /// <summary>Writes the 20 bytes of an address.</summary>
    public void WriteAddress(Address address)
    {
        Span<byte> bytes = stackalloc byte[Address.Length];
        address.CopyTo(bytes);
        WriteBytes(bytes);
    }

    /// <summary>Writes the 32 bytes of a hash.</summary>
    public void WriteHash(in Hash256 hash)
    {
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        hash.CopyTo(bytes);
        WriteBytes(bytes);
    }

    /// <summary>Copies an item that is already encoded.</summary>
    public void WriteRaw(ReadOnlySpan<byte> encoded)
    {
        Reserve(encoded.Length);
        encoded.CopyTo(_buffer.AsSpan(_length));
        _length += encoded.Length;
    }

    /// <summary>A new array of the bytes written.</summary>
    public byte[] ToArray()
    {
        return WrittenSpan.ToArray();
    }

    private void Reserve(int count)
    {
        if (_buffer.Length - _length < count)
        {
            Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, _length + count));
        }
    }
}

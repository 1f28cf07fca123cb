using System.Buffers.Binary;
using Diode.Tunnel.Edge.Framing;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// Collects input and cuts it into frames. Bounded: holds one unfinished frame and what was appended since. Not
/// thread-safe.
/// </summary>
internal sealed class PeerFrameReader : IDisposable
{
    private readonly OutputBuffer _input = new();
    private int _handedOut;

    /// <summary>A frame that is empty or too long was met; nothing after it can be read.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Bytes waiting.</summary>
    public int Buffered => _input.Length - _handedOut;

    /// <summary>Appends what arrived.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        Release();
        if (!IsBroken)
        {
            data.CopyTo(_input.GetSpan(data.Length));
            _input.Advance(data.Length);
        }
    }

    /// <summary>Takes the payload of the next frame; valid until the next call of any member.</summary>
    public bool TryRead(out ReadOnlySpan<byte> payload)
    {
        Release();
        payload = default;
        ReadOnlySpan<byte> input = _input.WrittenMemory.Span;
        if (IsBroken || input.Length < PeerLimits.HeaderLength)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(input);
        if (length is 0 or > PeerLimits.MaxPayload)
        {
            IsBroken = true;
            _input.Dispose();
            return false;
        }

        if (input.Length - PeerLimits.HeaderLength < (int)length)
        {
            return false;
        }

        payload = input.Slice(PeerLimits.HeaderLength, (int)length);
        _handedOut = PeerLimits.HeaderLength + (int)length;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handedOut = 0;
        _input.Dispose();
    }

    private void Release()
    {
        if (_handedOut > 0)
        {
            _input.Consume(_handedOut);
            _handedOut = 0;
        }
    }
}

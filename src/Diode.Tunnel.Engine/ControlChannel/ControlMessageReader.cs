using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace Diode.Tunnel.Engine.ControlChannel;

/// <summary>
/// Splits the plaintext of a control channel into messages: bytes in, messages out. Bounded: holds at most one incomplete message of
/// <see cref="ControlMessage.MaxLength"/> and what came with it. Not thread-safe.
/// </summary>
internal sealed class ControlMessageReader
{
    /// <summary>Room that is kept for the next message: most are short, a manifest is not and comes once.</summary>
    internal const int KeptBytes = 1024;

    private ArrayBufferWriter<byte> _received = new();
    private int _consumed;

    /// <summary>Bytes that it holds, used or not.</summary>
    internal int Capacity => _received.Capacity;

    /// <summary>Takes plaintext; read all messages after each write.</summary>
    public IBufferWriter<byte> Input => _received;

    /// <summary>Why the stream cannot be read on; null while it can.</summary>
    public string? Failure { get; private set; }

    /// <summary>Messages that were skipped because they are not of a known form.</summary>
    public long Skipped { get; private set; }

    /// <summary>Takes the next whole message of a known form. False: more bytes are needed, or <see cref="Failure"/> is set.</summary>
    public bool TryRead(out ControlMessage? message)
    {
        message = null;
        while (message is null && TryTakeFrame(out ReadOnlySpan<byte> frame))
        {
            message = Parse(frame);
            Skipped += message is null ? 1 : 0;
        }

        if (message is null)
        {
            Compact();
        }

        return message is not null;
    }

    private bool TryTakeFrame(out ReadOnlySpan<byte> frame)
    {
        frame = default;
        ReadOnlySpan<byte> rest = _received.WrittenSpan[_consumed..];
        if (Failure is not null || rest.Length < sizeof(uint))
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        if (length > ControlMessage.MaxLength)
        {
            Failure = $"the peer sent a message of {length} bytes; the limit is {ControlMessage.MaxLength}";
            return false;
        }

        if (rest.Length - sizeof(uint) < length)
        {
            return false;
        }

        frame = rest.Slice(sizeof(uint), (int)length);
        _consumed += sizeof(uint) + (int)length;
        return true;
    }

    private void Compact()
    {
        if (_consumed == 0)
        {
            return;
        }

        byte[] rest = _received.WrittenSpan[_consumed..].ToArray();
        if (_received.Capacity > KeptBytes)
        {
            _received = new ArrayBufferWriter<byte>();
        }

        _received.ResetWrittenCount();
        _received.Write(rest);
        _consumed = 0;
    }

    private static ControlMessage? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            ControlMessage? message = JsonSerializer.Deserialize(json, ControlMessageContext.Default.ControlMessage);
            return message?.IsSound == true ? message : null;
        }
        catch (JsonException)
        {
            // Not ours to understand: skipped, as every unknown message is.
            return null;
        }
    }
}

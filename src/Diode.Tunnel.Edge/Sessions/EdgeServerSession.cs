using System.Buffers;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The relay's side of one Edge v2 session without any I/O: takes decrypted bytes, answers what needs no relay state,
/// hands the rest to its <see cref="IEdgeServerHandler"/> and queues frames for the peer.
/// </summary>
/// <remarks>
/// <see cref="Input"/>, <see cref="Process"/> and <see cref="Dispose"/> belong to one thread at a time; everything that
/// writes frames may be called from any thread. Nothing the peer sends throws.
/// </remarks>
public sealed partial class EdgeServerSession : IDisposable
{
    private const int MaxEnvelopeItems = 3;

    private readonly EdgeServerOptions _options;
    private readonly IEdgeServerHandler _handler;
    private readonly IFrameOutboxWaiter _waiter;
    private readonly FrameBuffer _input = new();
    private bool _counted;

    /// <summary>Creates a session for a peer whose certificate was checked.</summary>
    /// <param name="options">Bounds.</param>
    /// <param name="handler">The relay behind the session.</param>
    /// <param name="owner">The shell that empties <see cref="Output"/>.</param>
    /// <param name="waiter">Called when a blocked <see cref="Process"/> should run again.</param>
    public EdgeServerSession(
        EdgeServerOptions options, IEdgeServerHandler handler, IFrameOutboxOwner owner, IFrameOutboxWaiter waiter)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        _options = options;
        _handler = handler;
        _waiter = waiter;
        Output = new FrameOutbox(owner, options.OutputLimit, options.ControlReserve);
    }

    /// <summary>Where decrypted bytes go. Only after <see cref="Process"/> answered NeedInput.</summary>
    public IBufferWriter<byte> Input => _input;

    /// <summary>Frames for the peer.</summary>
    public FrameOutbox Output { get; }

    /// <summary>Protocol version of the last accepted <c>hello</c>; 0 before it.</summary>
    public ulong Version { get; private set; }

    /// <summary>Whether frames are deflated in both directions.</summary>
    public bool IsCompressed { get; private set; }

    /// <summary>Why <see cref="Process"/> failed.</summary>
    public string? Failure { get; private set; }

    /// <summary>Copies decrypted bytes in and handles all whole frames.</summary>
    public EdgeServerStatus Receive(ReadOnlySpan<byte> plaintext, long nowMs)
    {
        _input.Write(plaintext);
        return Process(nowMs);
    }

    /// <summary>Handles all whole frames that wait in <see cref="Input"/>.</summary>
    public EdgeServerStatus Process(long nowMs)
    {
        while (_input.TryPeek(out ReadOnlySpan<byte> payload))
        {
            if (!payload.IsEmpty)
            {
                // A peer that does not read its replies is not read either.
                if (Output.CheckRoom(_waiter, nowMs) == FrameOutboxResult.Full)
                {
                    return EdgeServerStatus.Blocked;
                }

                if (!_counted)
                {
                    _counted = true;
                    _handler.OnUsage(payload.Length);
                }

                EdgeServerStatus status = HandlePayload(payload, nowMs);
                if (status != EdgeServerStatus.NeedInput)
                {
                    return status;
                }

                _counted = false;
            }

            _input.Take(payload.Length);
        }

        _input.Trim();
        return EdgeServerStatus.NeedInput;
    }

    /// <summary>Gives the input memory back. <see cref="FrameOutbox.Release"/> is up to the flusher.</summary>
    public void Dispose()
    {
        _input.Release();
        Output.Close();
    }

    private EdgeServerStatus HandlePayload(ReadOnlySpan<byte> payload, long nowMs)
    {
        if (!IsCompressed)
        {
            return HandleEnvelope(payload, nowMs);
        }

        return RawDeflate.TryInflate(payload, _options.MaxInflatedLength, out byte[] inflated)
            ? HandleEnvelope(inflated, nowMs)
            : Fail("frame is not deflated");
    }

    // [id, [method, arg…]] with an optional third element that is ignored (diode-protocol §2.3).
    private EdgeServerStatus HandleEnvelope(ReadOnlySpan<byte> payload, long nowMs)
    {
        if (!RlpReader.TryReadSingleList(payload, out RlpReader envelope)
            || !envelope.TryReadBytes(out ReadOnlySpan<byte> idBytes))
        {
            return Fail("frame is not an envelope");
        }

        if (!RequestId.TryRead(idBytes, out RequestId id))
        {
            return Fail("request id too long");
        }

        bool isCommand = envelope.TryReadList(out RlpReader command);
        if (!isCommand && !envelope.TryReadItem(out _, out _))
        {
            return Fail("envelope without content");
        }

        if (!envelope.IsEmpty && (!envelope.TryReadItem(out _, out _) || !envelope.IsEmpty))
        {
            return Fail($"envelope of more than {MaxEnvelopeItems} elements");
        }

        if (!isCommand || !command.TryReadBytes(out ReadOnlySpan<byte> method))
        {
            ReplyBadInput(id);
            return EdgeServerStatus.NeedInput;
        }

        return HandleCommand(id, method, command, nowMs);
    }

    private EdgeServerStatus Fail(string reason)
    {
        Failure = reason;
        return EdgeServerStatus.Failed;
    }
}

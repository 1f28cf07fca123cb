using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// One link to another relay after the TLS handshake, the same on both sides (reference §7): bytes in, frames into a
/// bounded outbox, no socket, no clock; time is unix milliseconds. Never throws on input.
/// </summary>
/// <remarks>
/// <see cref="Receive"/> and <see cref="Process"/> belong to the thread that reads; everything else may be called by any.
/// Nothing is called back under a lock of the session. The owner empties <see cref="Output"/> and closes the link once
/// <see cref="Failure"/> is set.
/// </remarks>
internal sealed partial class PeerSession : IDisposable
{
    private readonly PeerCore _core;
    private readonly PeerFrameReader _input = new();
    private readonly Action<PeerSession>? _onReady;
    private readonly long _startMs;
    private TokenBucket _checks = new(PeerLimits.CheckBurst, PeerLimits.ChecksPerSecond);
    private long _readyMs;
    private long _lastInputMs;
    private int _messages;
    private int _stable;
    private int _failure;

    /// <summary>Begins a link: hello is in <see cref="Output"/> at once.</summary>
    /// <param name="core">What this relay knows.</param>
    /// <param name="peer">The address of the key the peer proved.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="owner">Who empties <see cref="Output"/>.</param>
    /// <param name="isOutbound">Whether this relay dialled.</param>
    /// <param name="onReady">Called once by the reader, when the peer has said hello.</param>
    public PeerSession(
        PeerCore core,
        Address peer,
        long nowMs,
        IFrameOutboxOwner owner,
        bool isOutbound = false,
        Action<PeerSession>? onReady = null)
    {
        _core = core;
        _onReady = onReady;
        _startMs = nowMs;
        Peer = peer;
        IsOutbound = isOutbound;
        Output = new FrameOutbox(owner, PeerLimits.OutputLimit, PeerLimits.OutputReserve);
        _calls = new PeerCalls(this);
        Write(PeerTerms.OfHello(core.EncodeOwnObject(nowMs)));
    }

    /// <summary>The relay at the other end.</summary>
    public Address Peer { get; }

    /// <summary>Whether this relay dialled.</summary>
    public bool IsOutbound { get; }

    /// <summary>What is to be sent; the owner empties it.</summary>
    public FrameOutbox Output { get; }

    /// <summary>Whether the peer has said hello.</summary>
    public bool IsReady => Volatile.Read(ref _readyMs) != 0;

    /// <summary>When the peer said hello, unix milliseconds.</summary>
    public long ReadyMs => Volatile.Read(ref _readyMs);

    /// <summary>Why the link has to be closed, if it has to.</summary>
    public PeerCloseReason Failure => (PeerCloseReason)Volatile.Read(ref _failure);

    /// <summary>Whether it can be used.</summary>
    public bool IsUsable => IsReady && Failure == PeerCloseReason.None;

    /// <summary>False while the peer leaves too much unread: don't read from it, call <see cref="Process"/> later.</summary>
    public bool WantsInput => Failure == PeerCloseReason.None && Output.HasRoom;

    /// <summary>
    /// Takes what arrived and handles it; false when the link has to be closed. Bounded as long as the owner reads no more
    /// than 64 KiB at a time and only while <see cref="WantsInput"/>.
    /// </summary>
    public bool Receive(ReadOnlySpan<byte> data, long nowMs)
    {
        if (Failure == PeerCloseReason.None && !data.IsEmpty)
        {
            Volatile.Write(ref _lastInputMs, nowMs);
            _input.Append(data);
        }

        return Process(nowMs);
    }

    /// <summary>Handles what was held back because of unread output; false when the link has to be closed.</summary>
    public bool Process(long nowMs)
    {
        while (WantsInput && _input.TryRead(out ReadOnlySpan<byte> payload))
        {
            _core.Counters.Message();
            Interlocked.Increment(ref _messages);
            if (IsReady && PortFrame.TryRead(payload, out ulong portRef, out ReadOnlySpan<byte> data))
            {
                HandlePortSend(portRef, data, nowMs);
            }
            else if (PeerFrames.TryRead(payload, out BertTerm? message))
            {
                Handle(message, nowMs);
            }
            else
            {
                Fail(PeerCloseReason.BadFrame);
            }
        }

        if (_input.IsBroken)
        {
            Fail(PeerCloseReason.BadFrame);
        }

        return Failure == PeerCloseReason.None;
    }

    /// <summary>Deadlines; false when the link has to be closed. A few times a second.</summary>
    public bool Tick(long nowMs)
    {
        if (!IsReady && nowMs - _startMs >= PeerLimits.HelloTimeoutMs)
        {
            Fail(PeerCloseReason.HelloTimeout);
        }

        if (IsUsable && nowMs - Volatile.Read(ref _lastInputMs) >= PeerLimits.IdleMs)
        {
            // A peer that is gone without a word is noticed when this is not answered.
            Volatile.Write(ref _lastInputMs, nowMs);
            _ = TryPing(nowMs, static _ => { });
        }

        TickRequests(nowMs);
        _calls.Tick(nowMs);
        TickPorts(nowMs);
        return Failure == PeerCloseReason.None;
    }

    /// <summary>True once: the link has lasted and was used (reference §7.2).</summary>
    public bool BecameStable(long nowMs)
    {
        return IsUsable
            && Volatile.Read(ref _messages) > PeerLimits.StableMessages
            && nowMs - ReadyMs > PeerLimits.StableMs
            && Interlocked.Exchange(ref _stable, 1) == 0;
    }

    /// <summary>Ends the link; requests are answered with nothing, ports close. The first reason counts.</summary>
    public void Close(PeerCloseReason reason)
    {
        Fail(reason);
    }

    /// <summary>Frees the input; only when the reader is done for good.</summary>
    public void Dispose()
    {
        Fail(PeerCloseReason.PeerLeft);
        _input.Dispose();
    }

    /// <summary>Queues a message.</summary>
    internal void Write(BertTerm message)
    {
        _ = Output.WriteControl(PeerFrames.Encode(message), default);
    }

    private void Handle(BertTerm message, long nowMs)
    {
        bool tagged = PeerTerms.TryGetTag(message, out string tag);
        if (!IsReady || (tagged && tag == PeerTerms.Hello))
        {
            HandleHello(message, nowMs);
            return;
        }

        if (!tagged || !TryHandle(tag, message.Items, message, nowMs))
        {
            _core.Counters.Ignored();
        }
    }

    private void HandleHello(BertTerm message, long nowMs)
    {
        if (!PeerTerms.TryGetTag(message, out string tag)
            || tag != PeerTerms.Hello
            || message.Items.Count != 4
            || !TryReadServer(message.Items[1], nowMs, out ServerObject? server))
        {
            Fail(PeerCloseReason.BadHello);
            return;
        }

        if (server.Address != Peer)
        {
            Fail(PeerCloseReason.WrongSigner);
            return;
        }

        // An older object than the known one does no harm: the newer one stays (observed).
        _ = _core.Store.Put(DhtObject.FromServer(server), Peer, nowMs);
        if (!IsReady)
        {
            Volatile.Write(ref _readyMs, Math.Max(nowMs, 1));
            _onReady?.Invoke(this);
        }
    }

    private bool TryReadServer(BertTerm value, long nowMs, [NotNullWhen(true)] out ServerObject? server)
    {
        server = null;
        return value.Kind == BertKind.Binary
            && value.Bytes.Length <= DhtObject.MaxLength
            && _checks.TryTake(nowMs)
            && ServerObject.TryReadBert(value.Bytes.Span, out server);
    }

    /// <summary>False for what is not understood: it is ignored, as real relays do.</summary>
    private bool TryHandle(string tag, IReadOnlyList<BertTerm> items, BertTerm message, long nowMs)
    {
        switch (tag)
        {
            case PeerTerms.Ping when items.Count == 1:
                Answer(PeerTerms.Ping, PeerTerms.Atom(PeerTerms.Pong));
                return true;
            case PeerTerms.Pong when items.Count == 1:
                Answer(PeerTerms.Pong, PeerTerms.Atom(PeerTerms.Ping));
                return true;
            case PeerTerms.FindNode when items.Count == 2 && items[1].Kind == BertKind.Binary:
                Answer(PeerTerms.FindNode, _core.GetHints(items[1].Bytes.Span, nowMs));
                return true;
            case PeerTerms.FindValue when items.Count == 2 && items[1].Kind == BertKind.Binary:
                AnswerFindValue(items[1], nowMs);
                return true;
            case PeerTerms.Store when items.Count == 3:
                HandleStore(items[1], items[2], nowMs);
                Answer(PeerTerms.Store, PeerTerms.Binary("ok"u8));
                return true;
            case PeerTerms.Response when PeerTerms.IsPortAnswer(message):
                HandlePortAnswer(items);
                return true;
            case PeerTerms.Response:
                HandleResponse(message);
                return true;
            case PeerTerms.PortOpen when items.Count is 4 or 5:
                HandlePortOpen(items, nowMs);
                return true;
            case PeerTerms.PortSend when items.Count == 3 && items[2].Kind == BertKind.Binary:
                return PeerTerms.TryGetRef(items[1], out ulong sendRef)
                    && HandlePortSend(sendRef, items[2].Bytes.Span, nowMs);
            case PeerTerms.PortClose when items.Count == 2:
                return PeerTerms.TryGetRef(items[1], out ulong closeRef) && HandlePortClose(closeRef);
            case PeerTerms.PortTaken when items.Count == 3 && items[2].Kind == BertKind.Number:
                return PeerTerms.TryGetRef(items[1], out ulong takenRef) && HandlePortTaken(takenRef, items[2].Number);
            case PeerTerms.Call when items.Count == 4 && items[1].Kind == BertKind.Number:
                _calls.Answer(items, _core, nowMs);
                return true;
            case PeerTerms.Reply when items.Count == 3:
                return _calls.TakeReply(items);
            default:
                return false;
        }
    }

    private void AnswerFindValue(BertTerm id, long nowMs)
    {
        if (PeerTerms.TryGetHash(id, out Hash256 key) && _core.Store.TryGet(key, nowMs, out DhtObject? value))
        {
            Answer(PeerTerms.FindValue, PeerTerms.Binary(value.Encoded.Span));
        }
        else
        {
            Answer(PeerTerms.FindNode, _core.GetHints(id.Bytes.Span, nowMs));
        }
    }

    private void HandleStore(BertTerm keyTerm, BertTerm value, long nowMs)
    {
        DhtStoreResult result = PeerTerms.TryGetHash(keyTerm, out Hash256 key)
            && value.Kind == BertKind.Binary
            && _checks.TryTake(nowMs)
                ? _core.Store.Offer(key, value.Bytes.Span, Peer, nowMs)
                : DhtStoreResult.Invalid;
        if (result is DhtStoreResult.Stored or DhtStoreResult.Delayed)
        {
            _core.Counters.Stored();
        }
        else
        {
            _core.Counters.StoreRefused();
        }
    }

    private void Answer(string request, params ReadOnlySpan<BertTerm> values)
    {
        Write(PeerTerms.OfResponse(request, values));
    }

    private void Fail(PeerCloseReason reason)
    {
        if (reason == PeerCloseReason.None
            || Interlocked.CompareExchange(ref _failure, (int)reason, (int)PeerCloseReason.None) != (int)PeerCloseReason.None)
        {
            return;
        }

        if (reason is > PeerCloseReason.None and < PeerCloseReason.Replaced)
        {
            _core.Counters.Violation();
        }

        AbandonRequests();
        _calls.Abandon();
        AbandonPorts();
    }
}

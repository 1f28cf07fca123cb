using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// One link to another relay after the TLS handshake, the same on both sides (reference §7): bytes in, bytes out, no
/// socket, no clock; time is unix milliseconds. Never throws on input. Not thread-safe: the owner calls it under a lock
/// of the link, sends <see cref="Output"/> after every call and closes the link once <see cref="Failure"/> is set.
/// </summary>
internal sealed partial class PeerSession : IDisposable
{
    private readonly PeerCore _core;
    private readonly PeerFrameReader _input = new();
    private readonly Action<PeerSession>? _onReady;
    private readonly long _startMs;
    private TokenBucket _checks = new(PeerLimits.CheckBurst, PeerLimits.ChecksPerSecond);

    /// <summary>Begins a link: hello is in <see cref="Output"/> at once.</summary>
    /// <param name="core">What this relay knows.</param>
    /// <param name="peer">The address of the key the peer proved.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="onReady">Called once, when the peer has said hello.</param>
    public PeerSession(PeerCore core, Address peer, long nowMs, Action<PeerSession>? onReady = null)
    {
        _core = core;
        _onReady = onReady;
        _startMs = nowMs;
        Peer = peer;
        PeerFrames.Write(Output, PeerTerms.OfHello(core.EncodeOwnObject(nowMs)));
    }

    /// <summary>The relay at the other end.</summary>
    public Address Peer { get; }

    /// <summary>What is to be sent; the owner consumes it.</summary>
    public OutputBuffer Output { get; } = new();

    /// <summary>Whether the peer has said hello.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Why the link has to be closed, if it has to.</summary>
    public PeerCloseReason Failure { get; private set; }

    /// <summary>False while the peer leaves too much unread: don't read from it, call <see cref="Process"/> later.</summary>
    public bool WantsInput => Failure == PeerCloseReason.None && Output.Length < PeerLimits.OutputLimit;

    /// <summary>
    /// Takes what arrived and handles it; false when the link has to be closed. Bounded as long as the owner reads no more
    /// than 64 KiB at a time and only while <see cref="WantsInput"/>.
    /// </summary>
    public bool Receive(ReadOnlySpan<byte> data, long nowMs)
    {
        if (Failure == PeerCloseReason.None)
        {
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
            if (PeerFrames.TryRead(payload, out BertTerm? message))
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

        TickRequests(nowMs);
        return Failure == PeerCloseReason.None;
    }

    /// <summary>Ends the link; every request is answered with nothing.</summary>
    public void Close(PeerCloseReason reason)
    {
        Fail(reason);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        AbandonRequests();
        _input.Dispose();
        Output.Dispose();
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
            IsReady = true;
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
            case PeerTerms.Response:
                HandleResponse(message);
                return true;
            case PeerTerms.PortOpen when items.Count == 4 && items[2].Kind == BertKind.Binary:
                // No relay forwards ports yet: the element that should name the target names the requester (§7.6).
                Answer(PeerTerms.PortOpen, items[2], PeerTerms.Binary("error"u8), PeerTerms.Binary("not found"u8));
                return true;
            case PeerTerms.Call when items.Count == 4 && items[1].Kind == BertKind.Number:
                AnswerCall(items[1], items[2]);
                return true;
            default:
                // portsend and portclose have no port to go to, a reply no call.
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

    // Forwarded messages have never worked between real relays: any parameters are "invalid" (§7.7).
    private void AnswerCall(BertTerm id, BertTerm method)
    {
        bool known = method.Kind == BertKind.Binary && method.Bytes.Span.SequenceEqual("forward_message"u8);
        PeerFrames.Write(
            Output, PeerTerms.OfCallError(id, known ? "invalid parameters"u8 : "unknown method"u8));
    }

    private void Answer(string request, params ReadOnlySpan<BertTerm> values)
    {
        PeerFrames.Write(Output, PeerTerms.OfResponse(request, values));
    }

    private void Fail(PeerCloseReason reason)
    {
        if (Failure != PeerCloseReason.None || reason == PeerCloseReason.None)
        {
            return;
        }

        Failure = reason;
        if (reason != PeerCloseReason.Replaced)
        {
            _core.Counters.Violation();
        }

        AbandonRequests();
        _input.Dispose();
    }
}

using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>The asking side: answers carry no id and are matched in the order of the requests.</content>
internal sealed partial class PeerSession
{
    private readonly Lock _requestGate = new();
    private readonly Queue<Request> _requests = [];

    /// <summary>Requests whose answer is still to come, given up ones included.</summary>
    public int PendingRequests
    {
        get
        {
            lock (_requestGate)
            {
                return _requests.Count;
            }
        }
    }

    /// <summary>Asks for the object of a key. The answer is a value or hints.</summary>
    /// <param name="key">DHT key.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="completion">Called once, with null when no answer came in time or the link ended; by any thread.</param>
    /// <returns>False when the link cannot take a request; <paramref name="completion"/> is not called then.</returns>
    public bool TryFindValue(in Hash256 key, long nowMs, Action<PeerReply?> completion)
    {
        BertTerm message = BertTerm.FromList(PeerTerms.Atom(PeerTerms.FindValue), PeerTerms.Binary(key.ToArray()));
        return TryAsk(message, nowMs, PeerLimits.ReadTimeoutMs, completion);
    }

    /// <summary>Asks which relays are near an id.</summary>
    /// <inheritdoc cref="TryFindValue"/>
    public bool TryFindNode(ReadOnlySpan<byte> id, long nowMs, Action<PeerReply?> completion)
    {
        BertTerm message = BertTerm.FromList(PeerTerms.Atom(PeerTerms.FindNode), PeerTerms.Binary(id));
        return TryAsk(message, nowMs, PeerLimits.RequestTimeoutMs, completion);
    }

    /// <summary>Hands an object over. The acknowledgement does not tell whether it was wanted.</summary>
    /// <inheritdoc cref="TryFindValue"/>
    public bool TryStore(in Hash256 key, ReadOnlySpan<byte> value, long nowMs, Action<PeerReply?> completion)
    {
        BertTerm message = BertTerm.FromList(
            PeerTerms.Atom(PeerTerms.Store), PeerTerms.Binary(key.ToArray()), PeerTerms.Binary(value));
        return TryAsk(message, nowMs, PeerLimits.RequestTimeoutMs, completion);
    }

    /// <summary>Asks for a sign of life.</summary>
    /// <inheritdoc cref="TryFindValue"/>
    public bool TryPing(long nowMs, Action<PeerReply?> completion)
    {
        return TryAsk(BertTerm.FromList(PeerTerms.Atom(PeerTerms.Ping)), nowMs, PeerLimits.RequestTimeoutMs, completion);
    }

    private bool TryAsk(BertTerm message, long nowMs, int timeoutMs, Action<PeerReply?> completion)
    {
        byte[] frame = PeerFrames.Encode(message);
        lock (_requestGate)
        {
            // Under the lock: the order of the queue is the order on the wire, and Fail empties it once.
            if (!IsReady || !WantsInput || _requests.Count >= PeerLimits.MaxRequests)
            {
                return false;
            }

            _requests.Enqueue(new Request(nowMs, nowMs + timeoutMs, completion));
            _ = Output.WriteControl(frame, default);
            return true;
        }
    }

    private void HandleResponse(BertTerm message)
    {
        Request? request;
        lock (_requestGate)
        {
            _ = _requests.TryDequeue(out request);
        }

        if (request is null)
        {
            Fail(PeerCloseReason.UnsolicitedResponse);
            return;
        }

        request.Complete(new PeerReply(message));
    }

    // A request that was given up stays in the queue: its answer may still come and must not be taken for the next one.
    private void TickRequests(long nowMs)
    {
        List<Request>? late = null;
        bool dead;
        lock (_requestGate)
        {
            foreach (Request request in _requests)
            {
                if (nowMs >= request.DeadlineMs && request.IsOpen)
                {
                    (late ??= []).Add(request);
                }
            }

            dead = _requests.TryPeek(out Request? oldest) && nowMs - oldest.AskedMs >= PeerLimits.AnswerLimitMs;
        }

        late?.ForEach(request => request.Complete(null));
        if (dead)
        {
            Fail(PeerCloseReason.NoAnswer);
        }
    }

    private void AbandonRequests()
    {
        Request[] left;
        lock (_requestGate)
        {
            left = [.. _requests];
            _requests.Clear();
        }

        foreach (Request request in left)
        {
            request.Complete(null);
        }
    }

    private sealed class Request(long askedMs, long deadlineMs, Action<PeerReply?> completion)
    {
        private Action<PeerReply?>? _completion = completion;

        public long AskedMs { get; } = askedMs;

        public long DeadlineMs { get; } = deadlineMs;

        public bool IsOpen => Volatile.Read(ref _completion) is not null;

        public void Complete(PeerReply? reply)
        {
            Interlocked.Exchange(ref _completion, null)?.Invoke(reply);
        }
    }
}

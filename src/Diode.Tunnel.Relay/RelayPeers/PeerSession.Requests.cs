using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>The asking side: answers carry no id and are matched in the order of the requests.</content>
internal sealed partial class PeerSession
{
    private readonly Queue<Request> _requests = [];

    /// <summary>Requests whose answer is still to come, given up ones included.</summary>
    public int PendingRequests => _requests.Count;

    /// <summary>Asks for the object of a key. The answer is a value or hints.</summary>
    /// <param name="key">DHT key.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="completion">
    /// Called once, with null when no answer came in time or the link ended. Must not call the session.
    /// </param>
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
        if (!IsReady || !WantsInput || _requests.Count >= PeerLimits.MaxRequests)
        {
            return false;
        }

        PeerFrames.Write(Output, message);
        _requests.Enqueue(new Request(nowMs, nowMs + timeoutMs, completion));
        return true;
    }

    private void HandleResponse(BertTerm message)
    {
        if (_requests.TryDequeue(out Request? request))
        {
            request.Complete(new PeerReply(message));
        }
        else
        {
            Fail(PeerCloseReason.UnsolicitedResponse);
        }
    }

    // A request that was given up stays in the queue: its answer may still come and must not be taken for the next one.
    private void TickRequests(long nowMs)
    {
        foreach (Request request in _requests)
        {
            if (nowMs >= request.DeadlineMs)
            {
                request.Complete(null);
            }
        }

        if (_requests.TryPeek(out Request? oldest) && nowMs - oldest.AskedMs >= PeerLimits.AnswerLimitMs)
        {
            Fail(PeerCloseReason.NoAnswer);
        }
    }

    private void AbandonRequests()
    {
        while (_requests.TryDequeue(out Request? request))
        {
            request.Complete(null);
        }
    }

    private sealed class Request(long askedMs, long deadlineMs, Action<PeerReply?> completion)
    {
        private Action<PeerReply?>? _completion = completion;

        public long AskedMs { get; } = askedMs;

        public long DeadlineMs { get; } = deadlineMs;

        public void Complete(PeerReply? reply)
        {
            Action<PeerReply?>? completion = _completion;
            _completion = null;
            completion?.Invoke(reply);
        }
    }
}

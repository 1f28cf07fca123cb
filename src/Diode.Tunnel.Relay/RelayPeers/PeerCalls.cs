using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// <c>call</c> and <c>reply</c> of one link (reference §7.7): messages for devices, and the question what the other relay
/// can do. Thread-safe; completions run without locks.
/// </summary>
internal sealed class PeerCalls(PeerSession session)
{
    /// <summary>Delivers a message to a device of the other relay.</summary>
    public const string ForwardMessage = "forward_message";

    /// <summary>
    /// Ours: which of the things that never worked between real relays this one does. Real relays answer "unknown method".
    /// </summary>
    public const string Abilities = "relay_abilities";

    private const int MaxMetadataDepth = 16;
    private const int MaxReplyLength = 4096;

    private static readonly BertTerm DeviceId = BertTerm.FromAtom("device_id");
    private static readonly BertTerm Payload = BertTerm.FromAtom("payload");
    private static readonly BertTerm Metadata = BertTerm.FromAtom("metadata");

    private readonly Lock _gate = new();
    private readonly Dictionary<BigInteger, PendingCall> _pending = [];
    private List<Action<bool>>? _waiting;
    private bool? _isOurs;
    private bool _ended;

    private static ReadOnlySpan<byte> OwnAbilities => "ports,messages"u8;

    /// <summary>Parameters of <see cref="ForwardMessage"/>; false when the metadata cannot be told in terms.</summary>
    public static bool TryMakeMessage(
        Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata, [NotNullWhen(true)] out BertTerm? parameters)
    {
        parameters = null;
        if (!RlpItem.TryDecode(metadata, out RlpItem? item) || !TryToTerm(item, MaxMetadataDepth, out BertTerm? term))
        {
            return false;
        }

        parameters = BertTerm.FromMap(
            DeviceId, BertTerm.FromBinary(device.ToArray()), Metadata, term, Payload, BertTerm.FromBinary(payload));
        return true;
    }

    /// <summary>Calls a method of the other relay.</summary>
    /// <param name="method">Its name.</param>
    /// <param name="parameters">Any term.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="completion">Called once with whether the answer was a result; by any thread.</param>
    /// <returns>False when too many calls are under way; <paramref name="completion"/> is not called then.</returns>
    public bool TryCall(string method, BertTerm parameters, long nowMs, Action<bool> completion)
    {
        lock (_gate)
        {
            if (_ended || !session.IsUsable || _pending.Count >= PeerLimits.MaxCalls || !session.Output.HasRoom)
            {
                return false;
            }

            BigInteger id;
            do
            {
                id = 1 + (BigInteger)RandomNumberGenerator.GetInt32(int.MaxValue);
            }
            while (_pending.ContainsKey(id));

            _pending[id] = new PendingCall(nowMs + PeerLimits.RequestTimeoutMs, completion);
            session.Write(BertTerm.FromList(
                PeerTerms.Atom(PeerTerms.Call), BertTerm.FromNumber(id), BertTerm.FromText(method), parameters));
            return true;
        }
    }

    /// <summary>
    /// Tells whether the other relay carries ports and messages; asks it once, the first time this is called.
    /// </summary>
    public void AskAbilities(long nowMs, Action<bool> completion)
    {
        bool first;
        bool? known;
        lock (_gate)
        {
            known = _ended ? false : _isOurs;
            first = _waiting is null;
            if (known is null)
            {
                (_waiting ??= []).Add(completion);
            }
        }

        if (known is bool answer)
        {
            completion(answer);
        }
        else if (first && !TryCall(Abilities, BertTerm.EmptyList, nowMs, SetAbilities))
        {
            FinishAbilities(null);
        }
    }

    /// <summary>Answers a call of the other relay.</summary>
    public void Answer(IReadOnlyList<BertTerm> items, PeerCore core, long nowMs)
    {
        if (IsText(items[2], Abilities))
        {
            session.Write(PeerTerms.OfCallReply(items[1], "result"u8, OwnAbilities));
        }
        else if (!IsText(items[2], ForwardMessage))
        {
            session.Write(PeerTerms.OfCallReply(items[1], "error"u8, "unknown method"u8));
        }
        else if (TryReadMessage(items[3], out Address device, out ReadOnlyMemory<byte> payload, out byte[] metadata)
            && core.Devices?.DeliverMessage(device, payload.Span, metadata) == true)
        {
            core.Counters.MessageDelivered();
            session.Write(PeerTerms.OfCallReply(items[1], "result"u8, "ok"u8));
        }
        else
        {
            // The text real relays give to every message, deliverable or not.
            session.Write(PeerTerms.OfCallReply(items[1], "error"u8, "invalid parameters"u8));
        }
    }

    /// <summary>Takes a reply; false when nobody waits for it.</summary>
    public bool TakeReply(IReadOnlyList<BertTerm> items)
    {
        PendingCall call;
        lock (_gate)
        {
            if (items[1].Kind != BertKind.Number || !_pending.Remove(items[1].Number, out call))
            {
                return false;
            }
        }

        call.Completion(IsResult(items[2]));
        return true;
    }

    /// <summary>Gives up what was not answered.</summary>
    public void Tick(long nowMs)
    {
        Complete(call => nowMs >= call.DeadlineMs);
    }

    /// <summary>The link is down.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            _ended = true;
        }

        Complete(_ => true);
        FinishAbilities(false);
    }

    private static bool IsText(BertTerm term, string text)
    {
        return term.Kind == BertKind.Binary && term.Bytes.Span.SequenceEqual(System.Text.Encoding.ASCII.GetBytes(text));
    }

    private static bool IsResult(BertTerm reply)
    {
        if (reply.Kind != BertKind.Binary
            || reply.Bytes.Length > MaxReplyLength
            || !RlpReader.TryReadSingleList(reply.Bytes.Span, out RlpReader pairs))
        {
            return false;
        }

        return pairs.TryReadList(out RlpReader pair)
            && pair.TryReadBytes(out ReadOnlySpan<byte> name)
            && name.SequenceEqual("result"u8);
    }

    // A map with atoms as keys, or a list of pairs with texts.
    private static bool TryReadMessage(
        BertTerm parameters, out Address device, out ReadOnlyMemory<byte> payload, out byte[] metadata)
    {
        device = default;
        payload = default;
        metadata = [];
        bool hasDevice = false;
        bool hasPayload = false;
        IEnumerable<BertTerm[]> pairs = parameters.Kind switch
        {
            BertKind.Map => parameters.Items.Chunk(2),
            BertKind.List => parameters.Items.Where(item => item.Items.Count == 2).Select(item => item.Items.ToArray()),
            _ => [],
        };
        foreach (BertTerm[] pair in pairs)
        {
            string key = pair[0].Kind == BertKind.Binary ? System.Text.Encoding.UTF8.GetString(pair[0].Bytes.Span) : pair[0].Atom;
            if (key == "device_id")
            {
                hasDevice = PeerTerms.TryGetAddress(pair[1], out device);
            }
            else if (key == "payload" && pair[1].Kind == BertKind.Binary)
            {
                hasPayload = true;
                payload = pair[1].Bytes;
            }
            else if (key == "metadata")
            {
                var rlp = new RlpWriter();
                if (!TryToRlp(pair[1], MaxMetadataDepth, rlp))
                {
                    return false;
                }

                metadata = rlp.ToArray();
            }
        }

        metadata = metadata.Length == 0 ? [0xc0] : metadata;
        return hasDevice && hasPayload;
    }

    private static bool TryToTerm(RlpItem item, int depth, [NotNullWhen(true)] out BertTerm? term)
    {
        term = item.IsList ? null : BertTerm.FromBinary(item.Bytes.Span);
        if (!item.IsList || depth == 0)
        {
            return term is not null;
        }

        var items = new BertTerm[item.Items.Count];
        for (int i = 0; i < items.Length; i++)
        {
            if (!TryToTerm(item.Items[i], depth - 1, out BertTerm? inner))
            {
                return false;
            }

            items[i] = inner;
        }

        term = BertTerm.FromList(items);
        return true;
    }

    private static bool TryToRlp(BertTerm term, int depth, RlpWriter rlp)
    {
        switch (term.Kind)
        {
            case BertKind.Binary:
                rlp.WriteBytes(term.Bytes.Span);
                return true;
            case BertKind.Number when term.Number.Sign >= 0:
                rlp.WriteBigInteger(term.Number);
                return true;
            case BertKind.Atom:
                rlp.WriteText(term.Atom);
                return true;
            case BertKind.List or BertKind.Map when depth > 0:
                bool isMap = term.Kind == BertKind.Map;
                rlp.BeginList();
                for (int i = 0; i < term.Items.Count; i++)
                {
                    if (isMap && i % 2 == 0)
                    {
                        rlp.BeginList();
                    }

                    if (!TryToRlp(term.Items[i], depth - 1, rlp))
                    {
                        return false;
                    }

                    if (isMap && i % 2 == 1)
                    {
                        rlp.EndList();
                    }
                }

                rlp.EndList();
                return true;
            default:
                return false;
        }
    }

    private void SetAbilities(bool isOurs)
    {
        FinishAbilities(isOurs);
    }

    private void FinishAbilities(bool? isOurs)
    {
        List<Action<bool>>? waiting;
        lock (_gate)
        {
            _isOurs = isOurs ?? _isOurs;
            waiting = _waiting;
            _waiting = null;
        }

        waiting?.ForEach(completion => completion(isOurs == true));
    }

    private void Complete(Func<PendingCall, bool> isOver)
    {
        List<PendingCall>? over = null;
        lock (_gate)
        {
            foreach ((BigInteger id, PendingCall call) in _pending)
            {
                if (isOver(call))
                {
                    (over ??= []).Add(call);
                    _pending.Remove(id);
                }
            }
        }

        over?.ForEach(call => call.Completion(false));
    }

    private readonly record struct PendingCall(long DeadlineMs, Action<bool> Completion);
}

using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// What our relay does otherwise than the recorded one, on purpose, as rules about what was asked, not about which
/// scenario it is: signatures that real relays should refuse are refused; where they close a connection on odd input ours
/// answers; port 0 is refused; the newest ticket is shown at once.
/// </summary>
internal sealed class EdgeDifferences
{
    private readonly EdgeScenario _scenario;
    private readonly EdgeReplay _replay;
    private readonly Dictionary<string, EdgeStep> _asked = [];
    private readonly HashSet<string> _requests;
    private readonly HashSet<string> _answered;
    private readonly HashSet<string> _excused = [];

    public EdgeDifferences(EdgeScenario scenario, EdgeReplay replay)
    {
        _scenario = scenario;
        _replay = replay;
        foreach (EdgeStep step in scenario.Steps.Where(step => step.Event == "c2s" && step.Message is not null))
        {
            _asked[step.Request] = step;
        }

        _requests = [.. scenario.Connections.Keys.SelectMany(FindRequests)];

        _answered = [.. scenario.Steps.Where(step => step.Event == "s2c").Select(step => step.Request)];
    }

    /// <summary>
    /// The recorded relay closed the connection although its deadline had not come and the frame was an envelope: that is
    /// a defect of the recorded relay, and ours has to go on. Frames that are no envelopes must end a connection.
    /// </summary>
    public bool MayStayOpen(string connection)
    {
        EdgeStep? last = null;
        foreach (EdgeStep step in _scenario.Steps.Where(step => step.Connection == connection))
        {
            if (step.Event == "closed_by_node")
            {
                return last is not null && step.TimeMs - last.TimeMs < 15_000 && IsOddCommand(last, connection);
            }

            last = step.Event == "c2s" ? step : last;
        }

        return false;
    }

    /// <summary>Whether a recorded frame need not come.</summary>
    public bool TryExcuseMissing(EdgeStep step)
    {
        // What others heard because the recorded relay closed a connection that ours keeps.
        if (step.Method is "portclose" or "error" && FollowsDefect(step))
        {
            return true;
        }

        if (IsPortZero(step))
        {
            return true;
        }

        return _asked.TryGetValue(step.Request, out EdgeStep? command)
            && (IsRefusedTicket(command, step) || IsOtherTicket(command, step) || IsPortZeroReply(command))
            && _excused.Add(step.Request);
    }

    /// <summary>Whether a frame that was not recorded is right.</summary>
    public bool TryExcuseExtra(string connection, RlpItem frame)
    {
        string request = EdgeStep.Describe(connection, frame);

        // Instead of a reply that was excused; or the answer to what the recorded relay left unanswered and closed.
        return EdgeStep.IsEnvelope(frame)
            && EdgeStep.MethodOf(frame) is "response" or "error"
            && (_excused.Contains(request)
                || (_requests.Contains(request)
                    && !_answered.Contains(request)
                    && _replay.Closed.ContainsKey(connection)));
    }

    // Frames may come in pieces, and need no method to have an id.
    private IEnumerable<string> FindRequests(string connection)
    {
        byte[] stream = [.. _scenario.Steps
            .Where(step => step.Event == "c2s" && step.Connection == connection)
            .SelectMany(step => step.Frame)];
        for (int at = 0; at + 2 <= stream.Length;)
        {
            int length = Math.Min((stream[at] << 8) | stream[at + 1], stream.Length - at - 2);
            if (RlpItem.TryDecode(stream.AsSpan(at + 2, length), out RlpItem? item) && item.IsList && item.Items.Count > 0)
            {
                yield return EdgeStep.Describe(connection, item);
            }

            at += 2 + length;
        }
    }

    private static bool IsTicket(EdgeStep command)
    {
        return command.Method is "ticket" or "ticketv2";
    }

    private bool IsOddCommand(EdgeStep last, string connection)
    {
        // A frame in pieces has no message of its own; the recorded relay cannot take one that is split in its length.
        return last.Message is not null
            || _scenario.Steps.Any(step => step.Connection == connection && step.Event == "c2s" && step.Frame.Length == 1)
            || IsEnvelopeWithoutMethodName(last);
    }

    private static bool IsEnvelopeWithoutMethodName(EdgeStep last)
    {
        return last.Frame.Length > 2
            && RlpItem.TryDecode(last.Frame.AsSpan(2), out RlpItem? item)
            && item.IsList
            && item.Items.Count == 2
            && !item.Items[0].IsList
            && item.Items[1].IsList;
    }

    private bool FollowsDefect(EdgeStep step)
    {
        foreach (EdgeStep earlier in _scenario.Steps)
        {
            if (ReferenceEquals(earlier, step))
            {
                return false;
            }

            if (earlier.Event == "closed_by_node" && !_replay.Closed[earlier.Connection])
            {
                return MayStayOpen(earlier.Connection);
            }
        }

        return false;
    }

    // Accepted by a plain check of the numbers, but the signer that can be recovered is somebody else; or high-s.
    private bool IsRefusedTicket(EdgeStep command, EdgeStep reply)
    {
        return IsTicket(command) && reply.Method == "response" && !IsStrictlySigned(command);
    }

    private bool IsStrictlySigned(EdgeStep command)
    {
        IReadOnlyList<RlpItem> items = command.Message!.Items[1].Items;
        (PrivateKey device, Address node) = _scenario.Connections[command.Connection];
        var chain = new RecordedChain(_scenario);
        if (!Signature65.TryFromBytes(items[^1].Bytes.Span, out Signature65 signature)
            || !Address.TryRead(items[^5].Bytes.Span, out Address fleet))
        {
            return false;
        }

        chain.TryGetBlockHash(15, ToNumber(items[1]), out Hash256 hash);
        Ticket ticket = command.Method == "ticketv2"
            ? new TicketV2
            {
                ChainId = ToNumber(items[1]),
                EpochNumber = ToNumber(items[2]),
                Server = node,
                Fleet = fleet,
                TotalConnections = ToNumber(items[^4]),
                TotalBytes = ToNumber(items[^3]),
            }
            : new TicketV1
            {
                BlockNumber = ToNumber(items[1]),
                BlockHash = hash,
                Server = node,
                Fleet = fleet,
                TotalConnections = ToNumber(items[^4]),
                TotalBytes = ToNumber(items[^3]),
            };
        ticket = ticket with { LocalAddress = items[^2].Bytes.ToArray(), DeviceSignature = signature };
        return ticket.TryRecoverDevice(out Address signer) && signer == device.Address;
    }

    private static ulong ToNumber(RlpItem item)
    {
        return RlpEncoding.TryReadInteger(item.Bytes.Span, out ulong number) ? number : ulong.MaxValue;
    }

    // The recorded relay shows the ticket it published last, up to 15 s late, or one it filed under the wrong device.
    private bool IsOtherTicket(EdgeStep command, EdgeStep reply)
    {
        if (command.Method != "getobject"
            || reply.Message!.Items[1].Items is not [_, { IsList: true } recorded]
            || !recorded.Items[0].Bytes.Span.StartsWith("ticket"u8))
        {
            return false;
        }

        RlpItem? own = _replay.Actual[reply.Connection]
            .Find(item => EdgeStep.Describe(reply.Connection, item) == reply.Request);
        if (own is null || own.Items[1].Items.Count != 2)
        {
            return false;
        }

        Address.TryRead(command.Message!.Items[1].Items[1].Bytes.Span, out Address device);
        Address node = _scenario.Connections[reply.Connection].Node;
        bool hasOwn = Ticket.TryReadObject(own.Items[1].Items[1].Encode(), out Ticket? ours);
        if (ours is TicketV1 first)
        {
            new RecordedChain(_scenario).TryGetBlockHash(15, first.BlockNumber, out Hash256 hash);
            ours = first with { BlockHash = hash };
        }

        bool isTheirsValid = Ticket.TryReadObject(recorded.Encode(), out Ticket? theirs)
            && _scenario.Connections.Values.Any(each => each.Device.Address == device)
            && (theirs is TicketV1 || theirs.IsSignedBy(device));
        return hasOwn
            ? ours!.IsSignedBy(device) && ours.Server == node && isTheirsValid && ours.NodeAge >= theirs!.NodeAge
            : !isTheirsValid;
    }

    // The target of a port with number 0 is not asked.
    private static bool IsPortZero(EdgeStep step)
    {
        return step.Method == "portopen" && step.Message!.Items[1].Items is [_, { Bytes.Length: 0 }, _, _];
    }

    private static bool IsPortZeroReply(EdgeStep command)
    {
        return command.Method == "portopen"
            && command.Message!.Items[1].Items is [_, _, var name, ..]
            && name.Bytes.Span.IndexOfAnyExcept((byte)0) < 0;
    }
}

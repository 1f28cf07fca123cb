using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>
/// A frame payload taken apart (reference §2.3), the same for both directions:
/// <code>[request_id, [word, argument…]]   a third element ("opts") is skipped</code>
/// Slices of the payload; nothing is copied.
/// </summary>
public readonly ref struct EdgeEnvelope
{
    private EdgeEnvelope(ulong requestId, ReadOnlySpan<byte> word, RlpReader arguments)
    {
        RequestId = requestId;
        Word = word;
        Arguments = arguments;
        Command = Classify(word);
    }

    /// <summary>Number of the request this is, or answers. The two directions count independently.</summary>
    public ulong RequestId { get; }

    /// <summary>The first element as it stands: command or reply word.</summary>
    public ReadOnlySpan<byte> Word { get; }

    /// <summary>What <see cref="Word"/> means.</summary>
    public EdgeCommand Command { get; }

    /// <summary>Reads the elements after <see cref="Word"/>. Copy it before reading.</summary>
    public RlpReader Arguments { get; }

    /// <summary>False when the payload is no envelope; a relay then closes the session.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out EdgeEnvelope envelope)
    {
        envelope = default;
        if (!RlpReader.TryReadSingleList(payload, out RlpReader outer)
            || !outer.TryReadUInt64(out ulong requestId)
            || !outer.TryReadList(out RlpReader inner)
            || !inner.TryReadBytes(out ReadOnlySpan<byte> word))
        {
            return false;
        }

        if (!outer.IsEmpty && !(outer.TryReadItem(out _, out _) && outer.IsEmpty))
        {
            return false;
        }

        envelope = new EdgeEnvelope(requestId, word, inner);
        return true;
    }

    private static EdgeCommand Classify(ReadOnlySpan<byte> word)
    {
        // The hot word first; the others by length, so that a word is compared with a few at most.
        if (word.SequenceEqual(EdgeCommands.PortSend))
        {
            return EdgeCommand.PortSend;
        }

        return word.Length switch
        {
            4 => word.SequenceEqual(EdgeCommands.Ping) ? EdgeCommand.Ping : EdgeCommand.Unknown,
            5 => word.SequenceEqual(EdgeCommands.Error) ? EdgeCommand.Error
                : word.SequenceEqual(EdgeCommands.Hello) ? EdgeCommand.Hello
                : word.SequenceEqual(EdgeCommands.Bytes) ? EdgeCommand.Bytes
                : EdgeCommand.Unknown,
            6 => word.SequenceEqual(EdgeCommands.Ticket) ? EdgeCommand.Ticket
                : word.SequenceEqual(EdgeCommands.Notify) ? EdgeCommand.Notify
                : EdgeCommand.Unknown,
            7 => word.SequenceEqual(EdgeCommands.Version) ? EdgeCommand.Version
                : word.SequenceEqual(EdgeCommands.GetNode) ? EdgeCommand.GetNode
                : word.SequenceEqual(EdgeCommands.Goodbye) ? EdgeCommand.Goodbye
                : EdgeCommand.Unknown,
            8 => word.SequenceEqual(EdgeCommands.Response) ? EdgeCommand.Response
                : word.SequenceEqual(EdgeCommands.PortOpen) ? EdgeCommand.PortOpen
                : word.SequenceEqual(EdgeCommands.TicketV2) ? EdgeCommand.TicketV2
                : word.SequenceEqual(EdgeCommands.GetNodes) ? EdgeCommand.GetNodes
                : EdgeCommand.Unknown,
            9 => word.SequenceEqual(EdgeCommands.PortClose) ? EdgeCommand.PortClose
                : word.SequenceEqual(EdgeCommands.GetObject) ? EdgeCommand.GetObject
                : word.SequenceEqual(EdgeCommands.PortOpen2) ? EdgeCommand.PortOpen2
                : EdgeCommand.Unknown,
            10 => word.SequenceEqual(EdgeCommands.PortClose2) ? EdgeCommand.PortClose2 : EdgeCommand.Unknown,
            14 => word.SequenceEqual(EdgeCommands.TicketRequest) ? EdgeCommand.TicketRequest : EdgeCommand.Unknown,
            _ => EdgeCommand.Unknown,
        };
    }
}

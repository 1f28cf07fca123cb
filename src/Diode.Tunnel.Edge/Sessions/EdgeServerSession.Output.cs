using System.Buffers;
using System.Buffers.Binary;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>Frames to the client. All of it may be called from any thread.</content>
public sealed partial class EdgeServerSession
{
    private const int LengthBytes = 2;
    private const int MaxPayload = ushort.MaxValue;

    /// <summary>
    /// The most data of one <c>portsend</c> that fits into a frame with our id and ref (diode-protocol §2.1). Clients
    /// keep to 65,000; what is longer than this is refused, never cut.
    /// </summary>
    public const int MaxPortData = MaxPayload - DataOverhead;

    // Two list headers of 3 bytes, id 5, "portsend" 9, ref 5, data header 3.
    private const int DataOverhead = 28;

    // Room for: length, list header 4, id 5, list header 4, "portsend" 9, ref 5, data header 4.
    private const int MaxDataHead = 40;
    // Raw deflate stores what it cannot compress in blocks of 16 KiB and more, with 5 bytes each.
    private const int DeflateGrowth = 64;
    private const uint FirstRequestId = 0x1000_0000;

    [ThreadStatic]
    private static RlpWriter? _writer;

    private uint _lastRequestId;

    /// <summary>Answers <c>["response", "ok"]</c> without allocating.</summary>
    public void ReplyOk(in RequestId id)
    {
        ReplyText(id, "ok"u8);
    }

    /// <summary>Answers <c>["response", text]</c> with a text of up to 64 bytes, without allocating.</summary>
    public void ReplyText(in RequestId id, ReadOnlySpan<byte> text)
    {
        ReplyPair(id, "response"u8, text);
    }

    /// <summary>Answers <c>["error", text]</c>.</summary>
    public void ReplyError(in RequestId id, ReadOnlySpan<byte> text)
    {
        ReplyPair(id, "error"u8, text);
    }

    /// <summary>Answers <c>["error", code, text]</c>.</summary>
    public void ReplyError(in RequestId id, ulong code, ReadOnlySpan<byte> text)
    {
        RlpWriter writer = BeginReply(id, "error"u8);
        writer.WriteUInt64(code);
        writer.WriteBytes(text);
        EndAndSend(writer);
    }

    /// <summary>Answers <c>["error", 401, "bad input"]</c>.</summary>
    public void ReplyBadInput(in RequestId id)
    {
        _handler.OnRefused();
        ReplyError(id, 401, "bad input"u8);
    }

    /// <summary>Answers <c>["response", item…]</c> with items that are encoded already.</summary>
    public void ReplyEncoded(in RequestId id, ReadOnlySpan<byte> items)
    {
        RlpWriter writer = BeginReply(id, "response"u8);
        writer.WriteRaw(items);
        if (!EndAndSend(writer) && !Output.IsClosed)
        {
            ReplyError(id, "response too long"u8);
        }
    }

    /// <summary>Answers <c>["response", "ok", ref]</c> to a <c>portopen</c> or <c>portopen2</c>.</summary>
    public void ReplyPortOpened(in RequestId id, uint portRef)
    {
        RlpWriter writer = BeginReply(id, "response"u8);
        writer.WriteBytes("ok"u8);
        writer.WriteUInt64(portRef);
        EndAndSend(writer);
    }

    /// <summary>Asks for a ticket; only peers of a version above 1000 understand it.</summary>
    public void SendTicketRequest(ulong usage)
    {
        RlpWriter writer = BeginRequest("ticket_request"u8);
        writer.WriteUInt64(usage);
        EndAndSend(writer);
    }

    /// <summary>Asks the peer to accept a port.</summary>
    public void SendPortOpen(ReadOnlySpan<byte> port, uint portRef, Address source)
    {
        RlpWriter writer = BeginRequest("portopen"u8);
        writer.WriteBytes(port);
        writer.WriteUInt64(portRef);
        writer.WriteAddress(source);
        EndAndSend(writer);
    }

    /// <summary>Tells the peer that a port is gone.</summary>
    public void SendPortClose(uint portRef)
    {
        RlpWriter writer = BeginRequest("portclose"u8);
        writer.WriteUInt64(portRef);
        EndAndSend(writer);
    }

    /// <summary>Offers the peer a port of this host, on behalf of another device.</summary>
    public void SendPortOpen2(ReadOnlySpan<byte> port, ushort physicalPort, Address source, ReadOnlySpan<byte> flags)
    {
        RlpWriter writer = BeginRequest("portopen2"u8);
        writer.WriteBytes(port);
        writer.WriteUInt64(physicalPort);
        writer.WriteAddress(source);
        writer.WriteBytes(flags);
        EndAndSend(writer);
    }

    /// <summary>Tells the peer that a port of this host is gone.</summary>
    public void SendPortClose2(ushort physicalPort)
    {
        RlpWriter writer = BeginRequest("portclose2"u8);
        writer.WriteUInt64(physicalPort);
        EndAndSend(writer);
    }

    /// <summary>
    /// Delivers a message; false when the peer leaves too much unread or the message does not fit into a frame.
    /// </summary>
    public bool TrySendMessage(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        if (!Output.HasRoom)
        {
            return false;
        }

        RlpWriter writer = BeginRequest("message_received"u8);
        writer.WriteBytes(payload);
        writer.WriteRaw(metadata);
        return EndAndSend(writer);
    }

    /// <summary>Tells what happens to a port that was opened with flag <c>t</c>; dropped when the peer does not read.</summary>
    /// <param name="nowMs">Unix milliseconds.</param>
    /// <param name="name">Whose session it happens in.</param>
    /// <param name="text">What happens.</param>
    public void SendTrace(long nowMs, string name, string text)
    {
        if (Output.HasRoom)
        {
            RlpWriter writer = BeginRequest("trace"u8);
            writer.WriteUInt64((ulong)nowMs);
            writer.WriteText(name);
            writer.WriteText(text);
            EndAndSend(writer);
        }
    }

    /// <summary>Warns the peer; only peers of a version above 1001 understand it.</summary>
    public void SendNotify(string level, string code, string message)
    {
        RlpWriter writer = BeginRequest("notify"u8);
        writer.WriteText(level);
        writer.WriteText(code);
        writer.WriteText(message);
        EndAndSend(writer);
    }

    /// <summary>
    /// Delivers up to <see cref="MaxPortData"/> bytes of port data, copying them straight into <see cref="Output"/>;
    /// allocates nothing unless the session is compressed. When the answer is Full nothing was written and
    /// <paramref name="sender"/> will be called.
    /// </summary>
    public FrameOutboxResult TrySendPortData(
        uint portRef, ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs)
    {
        Span<byte> head = stackalloc byte[MaxDataHead];
        int headLength = WriteDataHead(head, portRef, data, out bool dataInHead);
        ReadOnlySpan<byte> body = dataInHead ? default : data;
        if (IsCompressed)
        {
            return TrySendCompressed(portRef, head[LengthBytes..headLength], body, sender, nowMs);
        }

        FrameOutboxResult result = Output.TryWriteData(head[..headLength], body, sender, nowMs);
        if (result == FrameOutboxResult.Queued)
        {
            _handler.OnUsage(headLength - LengthBytes + body.Length);
        }

        return result;
    }

    /// <summary>
    /// Delivers port data that holds datagrams: dropped rather than late, see <see cref="FrameOutbox.TryWriteDatagrams"/>. On a
    /// compressed session the same as <see cref="TrySendPortData"/>.
    /// </summary>
    public FrameOutboxResult TrySendDatagrams(
        uint portRef, ReadOnlySpan<byte> data, bool mayDrop, IFrameOutboxWaiter sender, long nowMs)
    {
        if (IsCompressed)
        {
            return TrySendPortData(portRef, data, sender, nowMs);
        }

        Span<byte> head = stackalloc byte[MaxDataHead];
        int headLength = WriteDataHead(head, portRef, data, out bool dataInHead);
        ReadOnlySpan<byte> body = dataInHead ? default : data;
        FrameOutboxResult result = Output.TryWriteDatagrams(head[..headLength], body, mayDrop, sender, nowMs);
        if (result == FrameOutboxResult.Queued)
        {
            _handler.OnUsage(headLength - LengthBytes + body.Length);
        }

        return result;
    }

    // length | list( id, list( "portsend", ref, data-header …
    private int WriteDataHead(Span<byte> head, uint portRef, ReadOnlySpan<byte> data, out bool dataInHead)
    {
        uint id = NextRequestId();
        int commandLength = RlpEncoding.GetBytesLength("portsend"u8)
            + RlpEncoding.GetUInt64Length(portRef)
            + RlpEncoding.GetBytesLength(data);
        int envelopeLength = RlpEncoding.GetUInt64Length(id)
            + RlpEncoding.GetHeaderLength(commandLength)
            + commandLength;
        int payloadLength = RlpEncoding.GetHeaderLength(envelopeLength) + envelopeLength;
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)payloadLength);
        int at = LengthBytes;
        at += RlpEncoding.WriteListHeader(head[at..], envelopeLength);
        at += RlpEncoding.WriteUInt64(head[at..], id);
        at += RlpEncoding.WriteListHeader(head[at..], commandLength);
        at += RlpEncoding.WriteBytes(head[at..], "portsend"u8);
        at += RlpEncoding.WriteUInt64(head[at..], portRef);
        dataInHead = data.Length == 1 && data[0] < 0x80;
        if (dataInHead)
        {
            head[at++] = data[0];
        }
        else
        {
            at += RlpEncoding.WriteBytesHeader(head[at..], data.Length);
        }

        return at;
    }

    /// <summary>Delivers port data whether or not there is room; for data that goes to several receivers.</summary>
    public void SendPortData(uint portRef, ReadOnlySpan<byte> data)
    {
        RlpWriter writer = BeginRequest("portsend"u8);
        writer.WriteUInt64(portRef);
        writer.WriteBytes(data);
        writer.EndList();
        writer.EndList();
        WritePortFrame(portRef, writer.WrittenSpan, data);
    }

    private FrameOutboxResult TrySendCompressed(
        uint portRef, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, IFrameOutboxWaiter sender, long nowMs)
    {
        FrameOutboxResult room = Output.CheckRoom(sender, nowMs);
        if (room != FrameOutboxResult.Queued)
        {
            return room;
        }

        byte[] payload = ArrayPool<byte>.Shared.Rent(head.Length + body.Length);
        head.CopyTo(payload);
        body.CopyTo(payload.AsSpan(head.Length));
        FrameOutboxResult result = WritePortFrame(portRef, payload.AsSpan(0, head.Length + body.Length), body);
        ArrayPool<byte>.Shared.Return(payload);
        return result;
    }

    // Data that cannot be compressed grows by a few bytes. A port is a byte stream: where that makes the frame too long
    // for its length field, the data goes in two.
    private FrameOutboxResult WritePortFrame(uint portRef, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> data)
    {
        if (IsCompressed
            && payload.Length > MaxPayload - DeflateGrowth
            && RawDeflate.Deflate(payload).Length > MaxPayload)
        {
            SendPortData(portRef, data[..(data.Length / 2)]);
            SendPortData(portRef, data[(data.Length / 2)..]);
            return FrameOutboxResult.Queued;
        }

        FrameOutboxResult result = WriteFrame(payload);
        if (result == FrameOutboxResult.Queued)
        {
            _handler.OnUsage(payload.Length);
        }

        return result;
    }

    private void ReplyPair(in RequestId id, ReadOnlySpan<byte> kind, ReadOnlySpan<byte> text)
    {
        RlpWriter writer = BeginReply(id, kind);
        writer.WriteBytes(text);
        EndAndSend(writer);
    }

    private static RlpWriter BeginReply(in RequestId id, ReadOnlySpan<byte> kind)
    {
        RlpWriter writer = _writer ??= new RlpWriter(1024);
        writer.Reset();
        writer.BeginList();
        id.WriteTo(writer);
        writer.BeginList();
        writer.WriteBytes(kind);
        return writer;
    }

    private RlpWriter BeginRequest(ReadOnlySpan<byte> method)
    {
        RlpWriter writer = _writer ??= new RlpWriter(1024);
        writer.Reset();
        writer.BeginList();
        writer.WriteUInt64(NextRequestId());
        writer.BeginList();
        writer.WriteBytes(method);
        return writer;
    }

    private bool EndAndSend(RlpWriter writer)
    {
        writer.EndList();
        writer.EndList();
        return Send(writer.WrittenSpan);
    }

    private bool Send(ReadOnlySpan<byte> payload)
    {
        bool sent = payload.Length <= MaxPayload && WriteFrame(payload) == FrameOutboxResult.Queued;
        if (sent)
        {
            _handler.OnUsage(payload.Length);
        }

        return sent;
    }

    private FrameOutboxResult WriteFrame(ReadOnlySpan<byte> payload)
    {
        Span<byte> length = stackalloc byte[LengthBytes];
        if (!IsCompressed)
        {
            BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)payload.Length);
            return Output.WriteControl(length, payload);
        }

        byte[] deflated = RawDeflate.Deflate(payload);
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)deflated.Length);
        return deflated.Length <= MaxPayload ? Output.WriteControl(length, deflated) : FrameOutboxResult.Closed;
    }

    // Real relays use random numbers between 65,536 and 2^31, nearly all of four bytes. A counter costs nothing, and
    // with four bytes the usage that is charged per frame is the same.
    private uint NextRequestId()
    {
        return FirstRequestId + (Interlocked.Increment(ref _lastRequestId) & 0x3fff_ffff);
    }
}

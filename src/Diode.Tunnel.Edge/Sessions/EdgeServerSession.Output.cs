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
    /// The most data of one <c>portsend</c>; more is cut in two, since a port is a byte stream and the frame has to
    /// hold our id and ref too (diode-protocol §2.1).
    /// </summary>
    public const int MaxPortData = 65_000;

    // Room for: length, list header 4, id 5, list header 4, "portsend" 9, ref 5, data header 4.
    private const int MaxDataHead = 40;
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
        ReplyError(id, 401, "bad input"u8);
    }

    /// <summary>Answers <c>["response", item…]</c> with items that are encoded already.</summary>
    public void ReplyEncoded(in RequestId id, ReadOnlySpan<byte> items)
    {
        RlpWriter writer = BeginReply(id, "response"u8);
        writer.WriteRaw(items);
        EndAndSend(writer);
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

    /// <summary>Delivers a message.</summary>
    public void SendMessage(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        RlpWriter writer = BeginRequest("message_received"u8);
        writer.WriteBytes(payload);
        writer.WriteRaw(metadata);
        EndAndSend(writer);
    }

    /// <summary>
    /// Delivers port data, copying it straight into <see cref="Output"/>; allocates nothing unless the session is
    /// compressed. When the answer is Full nothing was written and <paramref name="sender"/> will be called.
    /// </summary>
    public FrameOutboxResult TrySendPortData(
        uint portRef, ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs)
    {
        FrameOutboxResult result = TrySendPortChunk(portRef, data[..Math.Min(data.Length, MaxPortData)], sender, nowMs);
        if (data.Length > MaxPortData && result == FrameOutboxResult.Queued)
        {
            // The rest must follow its beginning, so it may use the reserve.
            SendPortData(portRef, data[MaxPortData..]);
        }

        return result;
    }

    /// <summary>Delivers port data whether or not there is room; for data that goes to several receivers.</summary>
    public void SendPortData(uint portRef, ReadOnlySpan<byte> data)
    {
        do
        {
            ReadOnlySpan<byte> chunk = data[..Math.Min(data.Length, MaxPortData)];
            data = data[chunk.Length..];
            RlpWriter writer = BeginRequest("portsend"u8);
            writer.WriteUInt64(portRef);
            writer.WriteBytes(chunk);
            EndAndSend(writer);
        }
        while (!data.IsEmpty);
    }

    private FrameOutboxResult TrySendPortChunk(
        uint portRef, ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs)
    {
        Span<byte> head = stackalloc byte[MaxDataHead];
        int headLength = WriteDataHead(head, portRef, data, out bool dataInHead);
        ReadOnlySpan<byte> body = dataInHead ? default : data;
        int payloadLength = headLength - LengthBytes + body.Length;
        FrameOutboxResult result = IsCompressed
            ? TrySendCompressed(head[LengthBytes..headLength], body, sender, nowMs)
            : Output.TryWriteData(head[..headLength], body, sender, nowMs);
        if (result == FrameOutboxResult.Queued)
        {
            _handler.OnUsage(payloadLength);
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

    private FrameOutboxResult TrySendCompressed(
        ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, IFrameOutboxWaiter sender, long nowMs)
    {
        FrameOutboxResult room = Output.CheckRoom(sender, nowMs);
        if (room != FrameOutboxResult.Queued)
        {
            return room;
        }

        byte[] payload = ArrayPool<byte>.Shared.Rent(head.Length + body.Length);
        head.CopyTo(payload);
        body.CopyTo(payload.AsSpan(head.Length));
        FrameOutboxResult result = WriteFrame(payload.AsSpan(0, head.Length + body.Length));
        ArrayPool<byte>.Shared.Return(payload);
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

    private void EndAndSend(RlpWriter writer)
    {
        writer.EndList();
        writer.EndList();
        ReadOnlySpan<byte> payload = writer.WrittenSpan;
        if (payload.Length <= MaxPayload && WriteFrame(payload) == FrameOutboxResult.Queued)
        {
            _handler.OnUsage(payload.Length);
        }
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

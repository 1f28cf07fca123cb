using System.Buffers.Binary;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>
/// Writes every Edge message of either side as a complete frame to the end of one <see cref="OutputBuffer"/>. Header
/// and payload are written in one piece: diode_node closes a connection when the two length bytes arrive apart.
/// No allocation once the inner buffer has grown; portsend goes straight to the output. A message too long for a frame
/// is not written at all, and the method says so. Not thread-safe.
/// </summary>
public sealed class EdgeMessageWriter(OutputBuffer output)
{
    // Frame header, two list headers of up to 4 bytes, request id of up to 9, word, reference and data header.
    private const int PortSendOverhead = 2 + 4 + 4 + 9 + 9 + 9 + 4;

    private readonly RlpWriter _rlp = new();

    /// <summary>Number of payload bytes written so far, without frame headers.</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Whether payloads are deflated, each on its own (§2.5). Costs allocations.</summary>
    public bool Deflates { get; set; }

    /// <summary>Starts any message; write the arguments to the result and call <see cref="End"/>.</summary>
    public RlpWriter Begin(ulong requestId, ReadOnlySpan<byte> word)
    {
        _rlp.Reset();
        _rlp.BeginList();
        _rlp.WriteUInt64(requestId);
        _rlp.BeginList();
        _rlp.WriteBytes(word);
        return _rlp;
    }

    /// <summary>Ends the message started by <see cref="Begin"/>; false when it was too long and was dropped.</summary>
    public bool End()
    {
        _rlp.EndList();
        _rlp.EndList();
        return WriteFrame(_rlp.WrittenSpan);
    }

    /// <summary>Writes a payload as a frame; false when it is empty or too long.</summary>
    public bool WriteFrame(ReadOnlySpan<byte> payload)
    {
        if (Deflates && !payload.IsEmpty)
        {
            payload = RawDeflate.Deflate(payload);
        }

        if (payload.Length is 0 or > EdgeLimits.MaxFramePayload)
        {
            return false;
        }

        Span<byte> frame = output.GetSpan(EdgeLimits.FrameHeaderLength + payload.Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)payload.Length);
        payload.CopyTo(frame[EdgeLimits.FrameHeaderLength..]);
        output.Advance(EdgeLimits.FrameHeaderLength + payload.Length);
        PayloadBytes += payload.Length;
        return true;
    }

    /// <summary><c>["hello", version]</c>, with the zlib flag if asked for.</summary>
    public void WriteHello(ulong requestId, int version, bool zlib = false)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Hello);
        rlp.WriteUInt64((ulong)version);
        if (zlib)
        {
            rlp.WriteBytes(EdgeCommands.ZlibFlag);
        }

        End();
    }

    /// <summary>A command without arguments: version, ping, bytes.</summary>
    public void WriteCommand(ulong requestId, ReadOnlySpan<byte> word)
    {
        Begin(requestId, word);
        End();
    }

    /// <summary>Submits a signed ticket.</summary>
    /// <exception cref="InvalidOperationException">The ticket has no device signature.</exception>
    public bool WriteTicket(ulong requestId, Ticket ticket)
    {
        _rlp.Reset();
        _rlp.BeginList();
        _rlp.WriteUInt64(requestId);
        ticket.WriteSubmission(_rlp);
        _rlp.EndList();
        return WriteFrame(_rlp.WrittenSpan);
    }

    /// <summary><c>["ticket_request", usage]</c>.</summary>
    public void WriteTicketRequest(ulong requestId, ulong usage)
    {
        Begin(requestId, EdgeCommands.TicketRequest).WriteUInt64(usage);
        End();
    }

    /// <summary><c>["getobject", key]</c>.</summary>
    public bool WriteGetObject(ulong requestId, ReadOnlySpan<byte> key)
    {
        Begin(requestId, EdgeCommands.GetObject).WriteBytes(key);
        return End();
    }

    /// <summary><c>["getnode", address]</c>.</summary>
    public void WriteGetNode(ulong requestId, Address node)
    {
        Begin(requestId, EdgeCommands.GetNode).WriteAddress(node);
        End();
    }

    /// <summary><c>["getnodes", key]</c>.</summary>
    public bool WriteGetNodes(ulong requestId, ReadOnlySpan<byte> key)
    {
        Begin(requestId, EdgeCommands.GetNodes).WriteBytes(key);
        return End();
    }

    /// <summary>Client to relay: <c>["portopen", device, port, flags]</c>.</summary>
    public bool WritePortOpen(ulong requestId, Address device, ReadOnlySpan<byte> portName, ReadOnlySpan<byte> flags)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.PortOpen);
        rlp.WriteAddress(device);
        rlp.WriteBytes(portName);
        rlp.WriteBytes(flags);
        return End();
    }

    /// <summary>Relay to target: <c>["portopen", port, ref, source]</c>.</summary>
    public bool WritePortOpenRequest(ulong requestId, ReadOnlySpan<byte> portName, PortRef port, Address source)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.PortOpen);
        rlp.WriteBytes(portName);
        WriteRef(rlp, port);
        rlp.WriteAddress(source);
        return End();
    }

    /// <summary>Target to relay: <c>["response", ref, "ok"]</c>.</summary>
    public void WritePortAccept(ulong requestId, PortRef port)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Response);
        WriteRef(rlp, port);
        rlp.WriteBytes(EdgeCommands.Ok);
        End();
    }

    /// <summary>Target to relay: <c>["error", ref, reason]</c>.</summary>
    public void WritePortReject(ulong requestId, PortRef port, string reason)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Error);
        WriteRef(rlp, port);
        rlp.WriteText(reason);
        End();
    }

    /// <summary>Relay to opener: <c>["response", "ok", ref]</c>.</summary>
    public void WritePortOpened(ulong requestId, PortRef port)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Response);
        rlp.WriteBytes(EdgeCommands.Ok);
        WriteRef(rlp, port);
        End();
    }

    /// <summary>
    /// <c>["portsend", ref, data]</c>, written straight to the output. False when the frame would be too long; data of
    /// up to <see cref="EdgeLimits.MaxPortData"/> always fits.
    /// </summary>
    public bool WritePortSend(ulong requestId, PortRef port, ReadOnlySpan<byte> data)
    {
        if (Deflates)
        {
            RlpWriter rlp = Begin(requestId, EdgeCommands.PortSend);
            WriteRef(rlp, port);
            rlp.WriteBytes(data);
            return End();
        }

        Span<byte> reference = stackalloc byte[port.Length];
        port.CopyTo(reference);
        int inner = RlpEncoding.GetBytesLength(EdgeCommands.PortSend)
            + RlpEncoding.GetBytesLength(reference)
            + RlpEncoding.GetBytesLength(data);
        int outer = RlpEncoding.GetUInt64Length(requestId) + RlpEncoding.GetHeaderLength(inner) + inner;
        int payload = RlpEncoding.GetHeaderLength(outer) + outer;
        if (payload > EdgeLimits.MaxFramePayload)
        {
            return false;
        }

        Span<byte> frame = output.GetSpan(data.Length + PortSendOverhead);
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)payload);
        int at = EdgeLimits.FrameHeaderLength;
        at += RlpEncoding.WriteListHeader(frame[at..], outer);
        at += RlpEncoding.WriteUInt64(frame[at..], requestId);
        at += RlpEncoding.WriteListHeader(frame[at..], inner);
        at += RlpEncoding.WriteBytes(frame[at..], EdgeCommands.PortSend);
        at += RlpEncoding.WriteBytes(frame[at..], reference);
        at += RlpEncoding.WriteBytes(frame[at..], data);
        output.Advance(at);
        PayloadBytes += payload;
        return true;
    }

    /// <summary><c>["portclose", ref]</c>.</summary>
    public void WritePortClose(ulong requestId, PortRef port)
    {
        WriteRef(Begin(requestId, EdgeCommands.PortClose), port);
        End();
    }

    /// <summary>Client to relay: <c>["portopen2", device, port_name, flags]</c>.</summary>
    public bool WritePortOpen2(ulong requestId, Address device, ReadOnlySpan<byte> portName, ReadOnlySpan<byte> flags)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.PortOpen2);
        rlp.WriteAddress(device);
        rlp.WriteBytes(portName);
        rlp.WriteBytes(flags);
        return End();
    }

    /// <summary>Relay to target: <c>["portopen2", port_name, physical_port, source, flags]</c>.</summary>
    public bool WritePortOpen2Request(
        ulong requestId, ReadOnlySpan<byte> portName, ushort physicalPort, Address source, ReadOnlySpan<byte> flags)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.PortOpen2);
        rlp.WriteBytes(portName);
        rlp.WriteUInt64(physicalPort);
        rlp.WriteAddress(source);
        rlp.WriteBytes(flags);
        return End();
    }

    /// <summary>Target to relay: <c>["response", physical_port, "ok"]</c>.</summary>
    public void WritePortAccept2(ulong requestId, ushort physicalPort)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Response);
        rlp.WriteUInt64(physicalPort);
        rlp.WriteBytes(EdgeCommands.Ok);
        End();
    }

    /// <summary>Target to relay: <c>["error", physical_port, reason]</c>.</summary>
    public void WritePortReject2(ulong requestId, ushort physicalPort, string reason)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Error);
        rlp.WriteUInt64(physicalPort);
        rlp.WriteText(reason);
        End();
    }

    /// <summary><c>["portclose2", physical_port]</c>.</summary>
    public void WritePortClose2(ulong requestId, ushort physicalPort)
    {
        Begin(requestId, EdgeCommands.PortClose2).WriteUInt64(physicalPort);
        End();
    }

    /// <summary><c>["goodbye", reason, message]</c>.</summary>
    public bool WriteGoodbye(ulong requestId, string reason, string text)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Goodbye);
        rlp.WriteText(reason);
        rlp.WriteText(text);
        return End();
    }

    /// <summary><c>["notify", level, code, message]</c>.</summary>
    public bool WriteNotify(ulong requestId, string level, string code, string text)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Notify);
        rlp.WriteText(level);
        rlp.WriteText(code);
        rlp.WriteText(text);
        return End();
    }

    /// <summary><c>["response", word]</c>, e.g. ok or pong.</summary>
    public void WriteResponse(ulong requestId, ReadOnlySpan<byte> value)
    {
        Begin(requestId, EdgeCommands.Response).WriteBytes(value);
        End();
    }

    /// <summary><c>["response", item]</c> for an item that is already encoded, e.g. an object; false when too long.</summary>
    public bool WriteResponseItem(ulong requestId, ReadOnlySpan<byte> encodedItem)
    {
        Begin(requestId, EdgeCommands.Response).WriteRaw(encodedItem);
        return End();
    }

    /// <summary><c>["error", message]</c>.</summary>
    public bool WriteError(ulong requestId, string text)
    {
        Begin(requestId, EdgeCommands.Error).WriteText(text);
        return End();
    }

    /// <summary><c>["error", code, message]</c>.</summary>
    public bool WriteError(ulong requestId, int code, string text)
    {
        RlpWriter rlp = Begin(requestId, EdgeCommands.Error);
        rlp.WriteUInt64((ulong)code);
        rlp.WriteText(text);
        return End();
    }

    private static void WriteRef(RlpWriter rlp, PortRef port)
    {
        Span<byte> reference = stackalloc byte[port.Length];
        port.CopyTo(reference);
        rlp.WriteBytes(reference);
    }
}

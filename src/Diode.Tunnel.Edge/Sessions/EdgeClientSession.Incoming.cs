using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>What the relay sends.</content>
public sealed partial class EdgeClientSession
{
    /// <summary>Physical ports without our answer; relays allow 16 at a time.</summary>
    private const int MaxPhysicalAsked = 256;

    private void HandleFrame(ReadOnlySpan<byte> payload)
    {
        if (!EdgeEnvelope.TryRead(payload, out EdgeEnvelope envelope))
        {
            Fail("the relay sent a frame that is no message");
            return;
        }

        bool understood = envelope.Command switch
        {
            EdgeCommand.PortSend => HandlePortSend(envelope),
            EdgeCommand.Response or EdgeCommand.Error => HandleReply(envelope),
            EdgeCommand.PortOpen => HandlePortOpen(envelope),
            EdgeCommand.PortClose => HandlePortClose(envelope),
            EdgeCommand.TicketRequest => HandleTicketRequest(envelope),
            EdgeCommand.PortOpen2 => HandlePortOpen2(envelope),
            EdgeCommand.PortClose2 => HandlePortClose2(envelope),
            EdgeCommand.Goodbye => HandleGoodbye(envelope),
            EdgeCommand.Notify => HandleNotify(envelope),
            EdgeCommand.Unknown => HandleOther(envelope),
            _ => false,
        };
        IgnoredMessages += understood ? 0 : 1;
    }

    private bool HandlePortSend(in EdgeEnvelope envelope)
    {
        if (!PortSendMessage.TryRead(envelope.Arguments, out PortSendMessage message))
        {
            return false;
        }

        if (IsOpen(message.Port))
        {
            _events.OnPortData(message.Port, message.Data);
            return true;
        }

        if (_requests.PortOpens > 0 && _early.TryAdd(message.Port, message.Data, isClose: false))
        {
            return true;
        }

        // The relay thinks the port is open and we do not: end it, once.
        if (!_ports.ContainsKey(message.Port) && message.Port != _lastStray)
        {
            _lastStray = message.Port;
            _writer.WritePortClose(PortRequestId, message.Port);
        }

        return false;
    }

    private bool HandleReply(in EdgeEnvelope envelope)
    {
        if (envelope.RequestId == PortRequestId)
        {
            // Confirmations of portsend and portclose; "port does not exist" is followed by a portclose anyway.
            return true;
        }

        if (!EdgeReply.TryRead(envelope, out EdgeReply reply)
            || !_requests.TryRemove(envelope.RequestId, out RequestKind kind))
        {
            return false;
        }

        uint id = (uint)envelope.RequestId;
        switch (kind)
        {
            case RequestKind.Hello:
                if (reply.IsError)
                {
                    Fail("the relay refused the session: " + reply.GetErrorMessage());
                }

                break;
            case RequestKind.Ticket:
                HandleTicketReply(reply);
                break;
            case RequestKind.PortOpen:
                HandlePortOpenReply(id, reply);
                break;
            case RequestKind.UnpaidBytes:
                if (EdgeAnswers.TryReadSigned(reply, out long unpaid))
                {
                    _tickets.SetUnpaid(unpaid, Moved);
                }

                break;
            case RequestKind.BlockPeak or RequestKind.BlockHeader:
                HandleBlockReply(kind, reply);
                break;
            default:
                _events.OnResponse(id, reply);
                break;
        }

        return true;
    }

    private void HandlePortOpenReply(uint id, in EdgeReply reply)
    {
        RlpReader values = reply.Values;
        if (reply.IsError)
        {
            _events.OnPortOpenFailed(id, reply.GetErrorMessage());
        }
        else if (!values.TryReadBytes(out ReadOnlySpan<byte> ok)
            || !ok.SequenceEqual(EdgeCommands.Ok)
            || !values.TryReadBytes(out ReadOnlySpan<byte> reference)
            || !PortRef.TryRead(reference, out PortRef port)
            || !_ports.TryAdd(port, PortState.Open))
        {
            _events.OnPortOpenFailed(id, "the relay's answer is unreadable");
        }
        else
        {
            _events.OnPortOpened(id, port);
            DeliverEarly(port);
        }

        if (_requests.PortOpens == 0)
        {
            _early.Clear();
        }
    }

    private void DeliverEarly(PortRef port)
    {
        while (_early.TryTake(port, out byte[]? data))
        {
            if (data is null)
            {
                if (_ports.Remove(port))
                {
                    _events.OnPortClosed(port);
                }
            }
            else if (IsOpen(port))
            {
                _events.OnPortData(port, data);
            }
        }
    }

    private bool HandlePortOpen(in EdgeEnvelope envelope)
    {
        if (!PortOpenRequestMessage.TryRead(envelope.Arguments, out PortOpenRequestMessage message))
        {
            return false;
        }

        // Denying a reference that is in use would end the other port.
        if (_ports.ContainsKey(message.Port))
        {
            return false;
        }

        if (message.PortName.Length is 0 or > EdgeLimits.MaxPortName)
        {
            _writer.WritePortReject(envelope.RequestId, message.Port, EdgeErrors.UnsupportedPortFormat);
            return true;
        }

        if (_ports.Count + _requests.PortOpens >= _options.MaxPorts)
        {
            _writer.WritePortReject(envelope.RequestId, message.Port, EdgeErrors.TooManyHangingPorts);
            return true;
        }

        _ports.Add(message.Port, PortState.Asked);
        _events.OnPortOpenRequested(
            new IncomingPort(envelope.RequestId, message.Port, message.Source, message.PortName.ToArray()));
        return true;
    }

    private bool HandlePortClose(in EdgeEnvelope envelope)
    {
        if (!PortCloseMessage.TryRead(envelope.Arguments, out PortCloseMessage message))
        {
            return false;
        }

        if (_ports.Remove(message.Port))
        {
            _events.OnPortClosed(message.Port);
            return true;
        }

        return _requests.PortOpens > 0 && _early.TryAdd(message.Port, default, isClose: true);
    }

    private bool HandlePortOpen2(in EdgeEnvelope envelope)
    {
        if (!PortOpen2RequestMessage.TryRead(envelope.Arguments, out PortOpen2RequestMessage message))
        {
            return false;
        }

        // Unanswered ones go away by themselves at the relay; ours are forgotten when there are too many.
        if (_physicalAsked.Count >= MaxPhysicalAsked)
        {
            _physicalAsked.Clear();
        }

        _physicalAsked.Add(message.PhysicalPort);
        _events.OnPhysicalPortRequested(
            envelope.RequestId, message.PhysicalPort, message.Source, message.PortName, message.IsUdp);
        return true;
    }

    private bool HandlePortClose2(in EdgeEnvelope envelope)
    {
        if (!PortClose2Message.TryRead(envelope.Arguments, out PortClose2Message message))
        {
            return false;
        }

        _physicalAsked.Remove(message.PhysicalPort);
        _events.OnPhysicalPortClosed(message.PhysicalPort);
        return true;
    }

    private bool HandleGoodbye(in EdgeEnvelope envelope)
    {
        if (!GoodbyeMessage.TryRead(envelope.Arguments, out GoodbyeMessage message))
        {
            return false;
        }

        string reason = WireText.ToDisplay(message.Reason);
        _events.OnGoodbye(reason, WireText.ToDisplay(message.Text));
        Fail("the relay said goodbye: " + reason);
        return true;
    }

    private bool HandleNotify(in EdgeEnvelope envelope)
    {
        if (!NotifyMessage.TryRead(envelope.Arguments, out NotifyMessage message))
        {
            return false;
        }

        _events.OnNotify(
            WireText.ToDisplay(message.Level), WireText.ToDisplay(message.Code), WireText.ToDisplay(message.Text));
        return true;
    }

    /// <summary>Words that only clients hear.</summary>
    private bool HandleOther(in EdgeEnvelope envelope)
    {
        RlpReader arguments = envelope.Arguments;
        if (envelope.Word.SequenceEqual("message_received"u8))
        {
            if (!arguments.TryReadBytes(out ReadOnlySpan<byte> payload) || !arguments.TryReadRaw(out ReadOnlySpan<byte> metadata))
            {
                return false;
            }

            _events.OnMessageReceived(payload, metadata);
            return true;
        }

        if (envelope.Word.SequenceEqual("blockheader"u8))
        {
            if (!arguments.TryReadUInt64(out ulong chainId) || !arguments.TryReadRaw(out ReadOnlySpan<byte> header))
            {
                return false;
            }

            _events.OnBlockHeader(chainId, header);
            return true;
        }

        if (envelope.Word.SequenceEqual("trace"u8))
        {
            if (!arguments.TryReadUInt64(out ulong time)
                || !arguments.TryReadBytes(out ReadOnlySpan<byte> name)
                || !arguments.TryReadBytes(out ReadOnlySpan<byte> text))
            {
                return false;
            }

            _events.OnTrace(time, WireText.ToDisplay(name), WireText.ToDisplay(text));
            return true;
        }

        return false;
    }
}

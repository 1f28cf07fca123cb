using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>The commands of a client (diode-edge §3.1).</content>
public sealed partial class EdgeServerSession
{
    private const ulong OldestVersion = 1000;
    private const ulong DiodeChainId = 15;
    private const int WireGuardKeyLength = 32;

    private EdgeServerStatus HandleCommand(
        in RequestId id, ReadOnlySpan<byte> method, RlpReader arguments, long nowMs)
    {
        if (method.SequenceEqual("portsend"u8))
        {
            return HandlePortSend(id, arguments, nowMs);
        }

        int colon = method.IndexOf((byte)':');
        bool understood = colon < 0
            ? HandlePlain(id, method, arguments, nowMs)
            : HandlePrefixed(id, method[..colon], method[(colon + 1)..], arguments, nowMs);
        if (!understood)
        {
            ReplyBadInput(id);
        }

        return EdgeServerStatus.NeedInput;
    }

    // The hot path: [ref, data], no allocation.
    private EdgeServerStatus HandlePortSend(in RequestId id, RlpReader arguments, long nowMs)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> refBytes)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> data)
            || !arguments.IsEmpty)
        {
            ReplyBadInput(id);
            return EdgeServerStatus.NeedInput;
        }

        if (data.Length > MaxPortData)
        {
            _handler.OnRefused();
            ReplyError(id, "data too long"u8);
            return EdgeServerStatus.NeedInput;
        }

        PortSendStatus status = TryReadRef(refBytes, out uint portRef)
            ? _handler.OnPortSend(portRef, data, nowMs)
            : PortSendStatus.NoPort;
        switch (status)
        {
            case PortSendStatus.Accepted:
                ReplyOk(id);
                return EdgeServerStatus.NeedInput;
            case PortSendStatus.NoPort:
                ReplyError(id, "port does not exist"u8);
                return EdgeServerStatus.NeedInput;
            default:
                return EdgeServerStatus.Blocked;
        }
    }

    // False means: not understood, answer "bad input".
    private bool HandlePlain(in RequestId id, ReadOnlySpan<byte> method, RlpReader arguments, long nowMs)
    {
        return method switch
        {
            _ when method.SequenceEqual("hello"u8) => HandleHello(id, arguments, nowMs),
            _ when method.SequenceEqual("ticketv2"u8) => HandleTicket(id, arguments, isVersion2: true, nowMs),
            _ when method.SequenceEqual("ticket"u8) => HandleTicket(id, arguments, isVersion2: false, nowMs),
            _ when method.SequenceEqual("bytes"u8) => HandleBytes(id, arguments, nowMs),
            _ when method.SequenceEqual("version"u8) => HandleVersion(id, arguments),
            _ when method.SequenceEqual("response"u8) => HandleConfirmation(arguments, nowMs),
            _ when method.SequenceEqual("error"u8) => HandleDenial(arguments),
            _ when method.SequenceEqual("portclose"u8) => HandlePortClose(id, arguments),
            _ when method.SequenceEqual("portopen2"u8) => HandlePortOpen2(id, arguments, nowMs),
            _ when method.SequenceEqual("portclose2"u8) => HandlePortClose2(id, arguments),
            _ when method.SequenceEqual("message"u8) => HandleMessage(arguments, nowMs),
            _ when method.SequenceEqual("turnopen"u8) => HandleTurnOpen(id, arguments),
            _ when method.SequenceEqual("wireguard"u8) => HandleWireGuard(id, arguments),
            _ when method.SequenceEqual("subscribe"u8) => HandleSubscribe(id, default, arguments),
            _ when IsDiodeCommand(method) => HandleChainCommand(id, default, method, arguments, nowMs),
            _ => HandleShared(id, method, arguments, nowMs),
        };
    }

    // Commands that exist with and without a chain prefix (diode-edge §3.5).
    private bool HandleShared(in RequestId id, ReadOnlySpan<byte> method, RlpReader arguments, long nowMs)
    {
        if (method.SequenceEqual("ping"u8))
        {
            if (arguments.IsEmpty)
            {
                ReplyText(id, "pong"u8);
                return true;
            }

            return false;
        }

        if (method.SequenceEqual("portopen"u8))
        {
            return HandlePortOpen(id, arguments, nowMs);
        }

        if (method.SequenceEqual("channel"u8))
        {
            return HandleChannel(id, arguments, nowMs);
        }

        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> key) || !arguments.IsEmpty)
        {
            return false;
        }

        switch (method)
        {
            case var _ when method.SequenceEqual("getobject"u8):
                _handler.OnGetObject(id, key, nowMs);
                return true;
            case var _ when method.SequenceEqual("getnode"u8):
                _handler.OnGetNode(id, key, nowMs);
                return true;
            case var _ when method.SequenceEqual("getnodes"u8):
                _handler.OnGetNodes(id, key, nowMs);
                return true;
            case var _ when method.SequenceEqual("isonline"u8):
                _handler.OnIsOnline(id, key);
                return true;
            default:
                return false;
        }
    }

    private bool HandleHello(in RequestId id, RlpReader arguments, long nowMs)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> versionBytes))
        {
            return false;
        }

        bool compressed = false;
        while (!arguments.IsEmpty)
        {
            if (!arguments.TryReadBytes(out ReadOnlySpan<byte> flag))
            {
                return false;
            }

            compressed |= flag.SequenceEqual("zlib"u8);
        }

        ulong version = ToNumber(versionBytes);
        if (version < OldestVersion)
        {
            ReplyError(id, "version not supported"u8);
            return true;
        }

        // The reply and everything after it are compressed already (diode-observed, Sessions).
        Version = version;
        IsCompressed |= compressed;
        _handler.OnHello(version, nowMs);
        ReplyOk(id);
        return true;
    }

    private bool HandleTicket(in RequestId id, RlpReader arguments, bool isVersion2, long nowMs)
    {
        ulong chainId = DiodeChainId;
        if (isVersion2)
        {
            if (!TryReadNumber(ref arguments, out chainId))
            {
                return false;
            }
        }

        if (!TryReadNumber(ref arguments, out ulong epochOrBlock)
            || !arguments.TryReadAddress(out Address fleet)
            || !TryReadNumber(ref arguments, out ulong connections)
            || !TryReadNumber(ref arguments, out ulong bytes)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> localAddress)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> signature)
            || !arguments.IsEmpty)
        {
            return false;
        }

        var ticket = new TicketSubmission
        {
            IsVersion2 = isVersion2,
            ChainId = chainId,
            EpochOrBlock = epochOrBlock,
            Fleet = fleet,
            Connections = connections,
            Bytes = bytes,
            LocalAddress = localAddress,
            Signature = signature,
        };
        _handler.OnTicket(id, ticket, nowMs);
        return true;
    }

    private bool HandleChannel(in RequestId id, RlpReader arguments, long nowMs)
    {
        if (!TryReadNumber(ref arguments, out ulong chainId)
            || !TryReadNumber(ref arguments, out ulong blockNumber)
            || !arguments.TryReadAddress(out Address fleet)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> type)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> name)
            || !arguments.TryReadRaw(out ReadOnlySpan<byte> parameters)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> signature)
            || !arguments.IsEmpty
            || !RlpReader.IsWellFormed(parameters))
        {
            return false;
        }

        var channel = new ChannelSubmission
        {
            ChainId = chainId,
            BlockNumber = blockNumber,
            Fleet = fleet,
            Type = type,
            Name = name,
            Parameters = parameters,
            Signature = signature,
        };
        _handler.OnChannel(id, channel, nowMs);
        return true;
    }

    private bool HandleBytes(in RequestId id, RlpReader arguments, long nowMs)
    {
        if (!arguments.IsEmpty)
        {
            return false;
        }

        _handler.OnBytes(id, nowMs);
        return true;
    }

    private bool HandleVersion(in RequestId id, RlpReader arguments)
    {
        if (!arguments.IsEmpty)
        {
            return false;
        }

        _handler.OnVersion(id);
        return true;
    }

    // ["response", ref, "ok"]: never answered, also when it is not understood, so that two relays cannot loop.
    private bool HandleConfirmation(RlpReader arguments, long nowMs)
    {
        if (arguments.TryReadBytes(out ReadOnlySpan<byte> refBytes)
            && arguments.TryReadBytes(out ReadOnlySpan<byte> answer)
            && answer.SequenceEqual("ok"u8)
            && TryReadRef(refBytes, out uint portRef))
        {
            _handler.OnPortConfirmed(portRef, nowMs);
        }

        return true;
    }

    private bool HandleDenial(RlpReader arguments)
    {
        if (arguments.TryReadBytes(out ReadOnlySpan<byte> refBytes)
            && arguments.TryReadBytes(out ReadOnlySpan<byte> reason)
            && TryReadRef(refBytes, out uint portRef))
        {
            _handler.OnPortDenied(portRef, reason);
        }

        return true;
    }

    private bool HandlePortOpen(in RequestId id, RlpReader arguments, long nowMs)
    {
        ReadOnlySpan<byte> flags = "rw"u8;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> device)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> port)
            || (!arguments.IsEmpty && !arguments.TryReadBytes(out flags))
            || !arguments.IsEmpty)
        {
            return false;
        }

        _handler.OnPortOpen(id, device, port, flags, nowMs);
        return true;
    }

    private bool HandlePortClose(in RequestId id, RlpReader arguments)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> refBytes) || !arguments.IsEmpty)
        {
            return false;
        }

        if (TryReadRef(refBytes, out uint portRef) && _handler.OnPortClose(portRef))
        {
            ReplyOk(id);
        }
        else
        {
            // The typo is on the wire (diode-edge §3.1).
            ReplyError(id, "port does not exit"u8);
        }

        return true;
    }

    // Flags are mandatory here, and what follows them is ignored.
    private bool HandlePortOpen2(in RequestId id, RlpReader arguments, long nowMs)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> device)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> port)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> flags))
        {
            return false;
        }

        _handler.OnPortOpen2(id, device, port, flags, nowMs);
        return true;
    }

    private bool HandlePortClose2(in RequestId id, RlpReader arguments)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> number) || !arguments.IsEmpty)
        {
            return false;
        }

        ReplyOk(id);
        if (ToNumber(number) is > 0 and <= ushort.MaxValue and ulong port)
        {
            _handler.OnPortClose2((ushort)port);
        }

        return true;
    }

    private bool HandleMessage(RlpReader arguments, long nowMs)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> device)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> payload)
            || !arguments.TryReadRaw(out ReadOnlySpan<byte> metadata)
            || !arguments.IsEmpty
            || !RlpReader.IsWellFormed(metadata))
        {
            return false;
        }

        _handler.OnMessage(device, payload, metadata, nowMs);
        return true;
    }

    private bool HandleTurnOpen(in RequestId id, RlpReader arguments)
    {
        if (!arguments.IsEmpty)
        {
            return false;
        }

        _handler.OnTurnOpen(id);
        return true;
    }

    private bool HandleWireGuard(in RequestId id, RlpReader arguments)
    {
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> action))
        {
            return false;
        }

        if (action.SequenceEqual("open"u8)
            && arguments.TryReadBytes(WireGuardKeyLength, out ReadOnlySpan<byte> key)
            && arguments.IsEmpty)
        {
            _handler.OnWireGuardOpen(id, key);
            return true;
        }

        if (action.SequenceEqual("close"u8) && arguments.IsEmpty)
        {
            _handler.OnWireGuardClose(id);
            return true;
        }

        return false;
    }

    private static bool TryReadNumber(ref RlpReader arguments, out ulong number)
    {
        bool read = arguments.TryReadBytes(out ReadOnlySpan<byte> bytes);
        number = read ? ToNumber(bytes) : 0;
        return read;
    }

    private static ulong ToNumber(ReadOnlySpan<byte> bytes)
    {
        return RlpEncoding.TryReadInteger(bytes, out ulong number) ? number : ulong.MaxValue;
    }

    // Refs are given out by the relay and are never 0.
    private static bool TryReadRef(ReadOnlySpan<byte> bytes, out uint portRef)
    {
        bool fits = RlpEncoding.TryReadInteger(bytes, out ulong number) && number is > 0 and <= uint.MaxValue;
        portRef = fits ? (uint)number : 0;
        return fits;
    }
}

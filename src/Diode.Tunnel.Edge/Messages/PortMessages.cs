using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>Client to relay: <c>["portopen", device, port, flags]</c>, flags may be missing (§3.6).</summary>
public readonly ref struct PortOpenMessage
{
    /// <summary>Who is asked for: 20 bytes for a device, 32 for a channel, anything else is an invalid device id.</summary>
    public ReadOnlySpan<byte> Device { get; private init; }

    /// <summary>The port name as sent; a relay forwards it without leading zero bytes.</summary>
    public ReadOnlySpan<byte> PortName { get; private init; }

    /// <summary>The flags as sent; <c>rw</c> when missing.</summary>
    public ReadOnlySpan<byte> Flags { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortOpenMessage message)
    {
        message = default;
        ReadOnlySpan<byte> flags = "rw"u8;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> device)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> name)
            || !(arguments.IsEmpty || arguments.TryReadBytes(out flags))
            || !arguments.IsEmpty)
        {
            return false;
        }

        message = new PortOpenMessage { Device = device, PortName = name, Flags = flags };
        return true;
    }
}

/// <summary>Relay to target: <c>["portopen", port, ref, source20]</c> (§3.6).</summary>
public readonly ref struct PortOpenRequestMessage
{
    /// <summary>The port name without leading zero bytes.</summary>
    public ReadOnlySpan<byte> PortName { get; private init; }

    /// <summary>The name of the port to be.</summary>
    public PortRef Port { get; private init; }

    /// <summary>Who opens, as the relay says.</summary>
    public Address Source { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortOpenRequestMessage message)
    {
        message = default;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> name)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> reference)
            || !PortRef.TryRead(reference, out PortRef port)
            || !arguments.TryReadAddress(out Address source)
            || !arguments.IsEmpty)
        {
            return false;
        }

        message = new PortOpenRequestMessage { PortName = name, Port = port, Source = source };
        return true;
    }
}

/// <summary>Both directions: <c>["portsend", ref, data]</c> (§3.7).</summary>
public readonly ref struct PortSendMessage
{
    /// <summary>The port.</summary>
    public PortRef Port { get; private init; }

    /// <summary>The data, a slice of the frame.</summary>
    public ReadOnlySpan<byte> Data { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortSendMessage message)
    {
        message = default;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> reference)
            || !PortRef.TryRead(reference, out PortRef port)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> data)
            || !arguments.IsEmpty)
        {
            return false;
        }

        message = new PortSendMessage { Port = port, Data = data };
        return true;
    }
}

/// <summary>Both directions: <c>["portclose", ref]</c> (§3.7).</summary>
public readonly struct PortCloseMessage
{
    /// <summary>The port.</summary>
    public PortRef Port { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortCloseMessage message)
    {
        message = default;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> reference)
            || !PortRef.TryRead(reference, out PortRef port)
            || !arguments.IsEmpty)
        {
            return false;
        }

        message = new PortCloseMessage { Port = port };
        return true;
    }
}

/// <summary>
/// Target to relay: <c>["response", ref, "ok"]</c> or <c>["error", ref, reason]</c>, the answer to a portopen; for a
/// portopen2 the reference is the physical port number (§3.6, §3.9). The request id of the envelope does not count.
/// </summary>
public readonly ref struct PortAnswerMessage
{
    /// <summary>The port that is answered for.</summary>
    public PortRef Port { get; private init; }

    /// <summary>Whether the target took the port.</summary>
    public bool IsAccepted { get; private init; }

    /// <summary>Why not.</summary>
    public ReadOnlySpan<byte> Reason { get; private init; }

    /// <summary>Reads an envelope whose word is response or error.</summary>
    public static bool TryRead(in EdgeEnvelope envelope, out PortAnswerMessage message)
    {
        message = default;
        RlpReader arguments = envelope.Arguments;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> reference)
            || !PortRef.TryRead(reference, out PortRef port)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> text)
            || !arguments.IsEmpty)
        {
            return false;
        }

        bool accepted = envelope.Command == EdgeCommand.Response;
        message = new PortAnswerMessage { Port = port, IsAccepted = accepted, Reason = accepted ? default : text };
        return (accepted && text.SequenceEqual(EdgeCommands.Ok)) || envelope.Command == EdgeCommand.Error;
    }
}

/// <summary>Client to relay: <c>["portopen2", device20, port_name, flags]</c> (§3.9).</summary>
public readonly ref struct PortOpen2Message
{
    /// <summary>The device the physical port is meant for.</summary>
    public Address Device { get; private init; }

    /// <summary>The port name, forwarded as it stands.</summary>
    public ReadOnlySpan<byte> PortName { get; private init; }

    /// <summary>Flags; with <c>u</c> the physical port is UDP, else TCP.</summary>
    public ReadOnlySpan<byte> Flags { get; private init; }

    /// <summary>Whether a UDP port is wanted.</summary>
    public bool IsUdp => Flags.Contains((byte)'u');

    /// <summary>Reads the arguments; more than three are skipped, as diode_node does.</summary>
    public static bool TryRead(RlpReader arguments, out PortOpen2Message message)
    {
        message = default;
        if (!arguments.TryReadAddress(out Address device)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> name)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> flags))
        {
            return false;
        }

        message = new PortOpen2Message { Device = device, PortName = name, Flags = flags };
        return true;
    }
}

/// <summary>Relay to target: <c>["portopen2", port_name, physical_port, source20, flags]</c> (§3.9).</summary>
public readonly ref struct PortOpen2RequestMessage
{
    /// <summary>The port name as the requester wrote it.</summary>
    public ReadOnlySpan<byte> PortName { get; private init; }

    /// <summary>TCP or UDP port on the relay's host.</summary>
    public ushort PhysicalPort { get; private init; }

    /// <summary>Who opens, as the relay says.</summary>
    public Address Source { get; private init; }

    /// <summary>Flags of the requester; with <c>u</c> the physical port is UDP.</summary>
    public ReadOnlySpan<byte> Flags { get; private init; }

    /// <summary>Whether the physical port is UDP.</summary>
    public bool IsUdp => Flags.Contains((byte)'u');

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortOpen2RequestMessage message)
    {
        message = default;
        if (!arguments.TryReadBytes(out ReadOnlySpan<byte> name)
            || !arguments.TryReadUInt64(out ulong port)
            || port is 0 or > ushort.MaxValue
            || !arguments.TryReadAddress(out Address source)
            || !arguments.TryReadBytes(out ReadOnlySpan<byte> flags)
            || !arguments.IsEmpty)
        {
            return false;
        }

        message = new PortOpen2RequestMessage
        {
            PortName = name,
            PhysicalPort = (ushort)port,
            Source = source,
            Flags = flags,
        };
        return true;
    }
}

/// <summary>Both directions: <c>["portclose2", physical_port]</c> (§3.9).</summary>
public readonly struct PortClose2Message
{
    /// <summary>TCP or UDP port on the relay's host.</summary>
    public ushort PhysicalPort { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out PortClose2Message message)
    {
        bool read = arguments.TryReadUInt64(out ulong port) && port is > 0 and <= ushort.MaxValue && arguments.IsEmpty;
        message = new PortClose2Message { PhysicalPort = read ? (ushort)port : (ushort)0 };
        return read;
    }
}

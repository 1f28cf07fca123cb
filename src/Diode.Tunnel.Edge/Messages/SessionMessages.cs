using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>Client to relay: <c>["hello", version, flag…]</c> (§2.4).</summary>
public readonly struct HelloMessage
{
    /// <summary>Protocol version the client speaks.</summary>
    public ulong Version { get; private init; }

    /// <summary>Whether all later frames of both directions are deflated.</summary>
    public bool Zlib { get; private init; }

    /// <summary>Reads the arguments; unknown flags are skipped.</summary>
    public static bool TryRead(RlpReader arguments, out HelloMessage message)
    {
        message = default;
        if (!arguments.TryReadUInt64(out ulong version))
        {
            return false;
        }

        bool zlib = false;
        while (!arguments.IsEmpty)
        {
            if (!arguments.TryReadBytes(out ReadOnlySpan<byte> flag))
            {
                return false;
            }

            zlib |= flag.SequenceEqual(EdgeCommands.ZlibFlag);
        }

        message = new HelloMessage { Version = version, Zlib = zlib };
        return true;
    }
}

/// <summary>Relay to client: <c>["ticket_request", usage]</c> (§4.6).</summary>
public readonly struct TicketRequestMessage
{
    /// <summary>Bytes that the relay counted for the device in this epoch.</summary>
    public ulong Usage { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out TicketRequestMessage message)
    {
        bool read = arguments.TryReadUInt64(out ulong usage) && arguments.IsEmpty;
        message = new TicketRequestMessage { Usage = usage };
        return read;
    }
}

/// <summary>Client to relay: <c>["getobject", key]</c> or <c>["getnodes", key]</c>, key of 20 or 32 bytes (§3.2).</summary>
public readonly ref struct ObjectKeyMessage
{
    /// <summary>The object key as it stands.</summary>
    public ReadOnlySpan<byte> Key { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out ObjectKeyMessage message)
    {
        bool read = arguments.TryReadBytes(out ReadOnlySpan<byte> key)
            && key.Length is Address.Length or Hash256.Length
            && arguments.IsEmpty;
        message = new ObjectKeyMessage { Key = key };
        return read;
    }
}

/// <summary>Client to relay: <c>["getnode", address20]</c> (§3.2).</summary>
public readonly struct GetNodeMessage
{
    /// <summary>The relay that is asked for.</summary>
    public Address Node { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out GetNodeMessage message)
    {
        bool read = arguments.TryReadAddress(out Address node) && arguments.IsEmpty;
        message = new GetNodeMessage { Node = node };
        return read;
    }
}

/// <summary>Relay to client, old servers: <c>["goodbye", reason, message]</c> (§2.6).</summary>
public readonly ref struct GoodbyeMessage
{
    /// <summary>Short reason.</summary>
    public ReadOnlySpan<byte> Reason { get; private init; }

    /// <summary>Text for people; may be empty.</summary>
    public ReadOnlySpan<byte> Text { get; private init; }

    /// <summary>Reads the arguments; both may be missing.</summary>
    public static bool TryRead(RlpReader arguments, out GoodbyeMessage message)
    {
        arguments.TryReadBytes(out ReadOnlySpan<byte> reason);
        arguments.TryReadBytes(out ReadOnlySpan<byte> text);
        message = new GoodbyeMessage { Reason = reason, Text = text };
        return arguments.IsEmpty;
    }
}

/// <summary>Relay to client: <c>["notify", level, code, message]</c> (§3.14).</summary>
public readonly ref struct NotifyMessage
{
    /// <summary>debug, notice, warning or error.</summary>
    public ReadOnlySpan<byte> Level { get; private init; }

    /// <summary>Word for programs.</summary>
    public ReadOnlySpan<byte> Code { get; private init; }

    /// <summary>Text for people.</summary>
    public ReadOnlySpan<byte> Text { get; private init; }

    /// <summary>Reads the arguments.</summary>
    public static bool TryRead(RlpReader arguments, out NotifyMessage message)
    {
        bool read = arguments.TryReadBytes(out ReadOnlySpan<byte> level);
        read &= arguments.TryReadBytes(out ReadOnlySpan<byte> code);
        read &= arguments.TryReadBytes(out ReadOnlySpan<byte> text);
        message = new NotifyMessage { Level = level, Code = code, Text = text };
        return read && arguments.IsEmpty;
    }
}

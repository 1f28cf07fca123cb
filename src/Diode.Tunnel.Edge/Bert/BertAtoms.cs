using System.Collections.Frozen;

namespace Diode.Tunnel.Edge.Bert;

/// <summary>Which atoms a decoder lets in.</summary>
public enum BertAtoms
{
    /// <summary>Only the atoms of the protocol, as Erlang's safe mode: objects of unknown origin.</summary>
    Known,

    /// <summary>Any atom: peer frames, whose unknown messages are skipped later.</summary>
    Any,
}

/// <summary>The atoms that objects, peer messages and NODE maps are made of (reference §5, §7).</summary>
internal static class KnownAtoms
{
    public static readonly FrozenSet<string> Names = new[]
    {
        "nil", "true", "false", "ok", "error", "response", "hello", "ping", "pong", "store", "find_node", "find_value",
        "portopen", "portsend", "portclose", "call", "reply", "publish", "value", "server", "ticket", "ticketv2", "channel",
        "data", "wallet", "__struct__", "Elixir.KademliaLight.Node", "last_seen", "node_id", "object", "retries",
        "device_id", "metadata", "payload",
    }.ToFrozenSet(StringComparer.Ordinal);
}

using System.Text;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>Recorded commands as calls of our client session.</summary>
internal static class ClientCommands
{
    /// <summary>Whether a recorded client did only what ours can be told to do.</summary>
    public static bool AreKept(IEnumerable<EdgeStep> connection)
    {
        EdgeStep[] steps = [.. connection];
        EdgeStep[] said = [.. steps.Where(step => step.Event == "c2s")];
        return !steps.Any(step => step.Event == "closed_by_node" || (step.Event == "s2c" && step.Message is null))
            && said.Length > 0
            && said[0].Method == "hello"
            && said.Skip(1).All(step => step.Message is not null && step.Method != "hello" && IsKept(step.Message.Items[1].Items))
            && IsHelloKept(said[0].Message!.Items[1].Items);
    }

    /// <summary>Makes our client write a command; false when it may refuse, because a rule forbids the command here.</summary>
    public static bool Give(
        EdgeClientSession session,
        RlpItem command,
        Dictionary<PortRef, IncomingPort> incoming,
        Dictionary<ushort, ulong> physical)
    {
        IReadOnlyList<RlpItem> items = command.Items;
        switch (Text(items[0]))
        {
            case "ping":
                return session.Ping() != 0;
            case "bytes":
                return session.GetBytes() != 0;
            case "version":
                return session.GetVersion() != 0;
            case "getobject":
                return session.GetObject(items[1].Bytes.Span) != 0;
            case "getnode":
                return session.GetNode(ToAddress(items[1])) != 0;
            case "getnodes":
                return session.GetNodes(items[1].Bytes.Span) != 0;
            case "turnopen":
                return session.OpenTurn() != 0;
            case "portopen" when items[1].Bytes.Length == Hash256.Length:
                return session.PortOpenChannel(new Hash256(items[1].Bytes.Span), items[2].Bytes.Span, Text(items[3])) != 0;
            case "portopen":
                return session.PortOpen(ToAddress(items[1]), items[2].Bytes.Span, Text(items[3])) != 0;
            case "portopen2":
                return session.PortOpen2(ToAddress(items[1]), items[2].Bytes.Span, Text(items[3])) != 0;
            case "portsend":
                return PortRef.TryRead(items[1].Bytes.Span, out PortRef to) && session.PortSend(to, items[2].Bytes.Span);
            case "portclose":
                return PortRef.TryRead(items[1].Bytes.Span, out PortRef closed) && session.PortClose(closed);
            case "portclose2":
                session.PortClose2((ushort)ToNumber(items[1]));
                return true;
            case "message":
                return session.SendMessage(ToAddress(items[1]), items[2].Bytes.Span, ToPairs(items[3]));
            case "channel":
                Signature65.TryFromBytes(items[7].Bytes.Span, out Signature65 signature);
                return session.OpenChannel(
                    ToNumber(items[1]), ToNumber(items[2]), ToAddress(items[3]), Text(items[4]), items[5].Bytes, signature) != 0;
            case "response" or "error":
                return Answer(session, items, incoming, physical);
            default:
                string[] words = Text(items[0]).Split(':');
                return session.RequestChain(words[0], words[1], rlp =>
                {
                    foreach (RlpItem item in items.Skip(1))
                    {
                        rlp.WriteRaw(item.Encode());
                    }
                }) != 0;
        }
    }

    /// <summary>Whether our client's ticket is signed by its device for this relay.</summary>
    public static bool IsGoodTicket(RlpItem command, PrivateKey device, Address node)
    {
        IReadOnlyList<RlpItem> items = command.Items;
        return Text(items[0]) == "ticketv2"
            && Signature65.TryFromBytes(items[7].Bytes.Span, out Signature65 signature)
            && new TicketV2
            {
                ChainId = ToNumber(items[1]),
                EpochNumber = ToNumber(items[2]),
                Fleet = ToAddress(items[3]),
                Server = node,
                TotalConnections = ToNumber(items[4]),
                TotalBytes = ToNumber(items[5]),
                LocalAddress = items[6].Bytes.ToArray(),
                DeviceSignature = signature,
            }.TryRecoverDevice(out Address signer)
            && signer == device.Address;
    }

    private static bool Answer(
        EdgeClientSession session,
        IReadOnlyList<RlpItem> items,
        Dictionary<PortRef, IncomingPort> incoming,
        Dictionary<ushort, ulong> physical)
    {
        bool accepts = Text(items[0]) == "response";
        ulong number = ToNumber(items[1]);
        if (number <= ushort.MaxValue && physical.TryGetValue((ushort)number, out ulong request))
        {
            return accepts
                ? session.AcceptPhysicalPort(request, (ushort)number)
                : session.RejectPhysicalPort(request, (ushort)number, Text(items[2]));
        }

        return PortRef.TryRead(items[1].Bytes.Span, out PortRef asked)
            && incoming.TryGetValue(asked, out IncomingPort port)
            && (accepts ? session.AcceptPort(port) : session.RejectPort(port, Text(items[2])));
    }

    private static bool IsHelloKept(IReadOnlyList<RlpItem> hello)
    {
        return hello.Count is 2 or 3
            && ToNumber(hello[1]) is >= 1000 and < 10_000
            && (hello.Count == 2 || Text(hello[2]) == "zlib");
    }

    private static bool IsKept(IReadOnlyList<RlpItem> items)
    {
        return (Text(items[0]), items.Count) switch
        {
            ("ping" or "bytes" or "version" or "turnopen", 1) => true,
            ("ticketv2", 8) or ("ticket", 7) => true,
            ("getobject" or "getnodes", 2) => items[1].Bytes.Length > 0,
            ("getnode", 2) => items[1].Bytes.Length == Address.Length,
            ("portopen", 4) => items[1].Bytes.Length is Address.Length or Hash256.Length && IsPort(items),
            ("portopen2", 4) => items[1].Bytes.Length == Address.Length,
            ("portsend" or "response" or "error", 3) or ("portclose" or "portclose2", 2) => true,
            ("message", 4) => items[1].Bytes.Length == Address.Length && items[3].IsList,
            ("channel", 8) => items[6] is { IsList: true, Items.Count: 0 } && items[7].Bytes.Length == Signature65.Length,
            var (method, _) => method.Split(':') is [not "", "rpc" or "subscribe" or "getblockpeak" or "getblockheader" or "getaccount"],
        };
    }

    private static bool IsPort(IReadOnlyList<RlpItem> items)
    {
        string flags = Text(items[3]);
        return items[2].Bytes.Length <= 64
            && items[2].Bytes.Span.ContainsAnyExcept((byte)0)
            && flags.AsSpan().ContainsAny('r', 'w')
            && !flags.AsSpan().ContainsAnyExcept("rwstp");
    }

    private static List<KeyValuePair<string, byte[]>> ToPairs(RlpItem metadata)
    {
        return [.. metadata.Items.Select(pair => new KeyValuePair<string, byte[]>(Text(pair.Items[0]), pair.Items[1].Bytes.ToArray()))];
    }

    private static string Text(RlpItem item)
    {
        return Encoding.ASCII.GetString(item.Bytes.Span);
    }

    private static ulong ToNumber(RlpItem item)
    {
        return RlpEncoding.TryReadInteger(item.Bytes.Span, out ulong number) ? number : ulong.MaxValue;
    }

    private static Address ToAddress(RlpItem item)
    {
        return Address.TryRead(item.Bytes.Span, out Address address) ? address : default;
    }
}

using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// The other way round: our client session is told to do what a recorded client did and is sent what that one was sent. It
/// must write the same commands, except for tickets, which it makes by its own rules, and it must notice everything.
/// Connections on which the recorded client broke the rules on purpose are left out: ours cannot.
/// </summary>
internal sealed class ClientTranscript : IEdgeClientEvents, IDisposable
{
    private readonly EdgeScenario _scenario;
    private readonly string _connection;
    private readonly EdgeStep[] _steps;
    private readonly Address _node;
    private readonly Ethereum.Crypto.PrivateKey _device;
    private readonly bool _deflates;
    private readonly EdgeClientSession _session;
    private readonly Dictionary<string, RlpItem> _ownIds = [];
    private readonly HashSet<string> _recordedTickets = [];
    private readonly Queue<RlpItem> _ownTickets = new();
    private readonly Dictionary<PortRef, IncomingPort> _incoming = [];
    private readonly Dictionary<ushort, ulong> _physical = [];
    private readonly List<string> _problems = [];
    private readonly List<byte> _data = [];
    private int _events;
    private bool _greeted;

    private ClientTranscript(EdgeScenario scenario, string connection)
    {
        _scenario = scenario;
        _connection = connection;
        _steps = [.. scenario.Steps.Where(step => step.Connection == connection)];
        (_device, _node) = scenario.Connections[connection];
        IReadOnlyList<RlpItem> hello = _steps.First(step => step.Method == "hello").Message!.Items[1].Items;
        _deflates = hello.Count > 2;
        RlpEncoding.TryReadInteger(hello[1].Bytes.Span, out ulong version);
        var options = new EdgeClientOptions { ProtocolVersion = (int)version, Zlib = _deflates };
        _session = new EdgeClientSession(_device, _node, options, this);
    }

    /// <summary>Replays every connection of a scenario that can be; what went wrong.</summary>
    /// <param name="scenario">What was recorded.</param>
    /// <param name="played">Number of connections that were replayed.</param>
    public static List<string> Replay(EdgeScenario scenario, out int played)
    {
        List<string> problems = [];
        played = 0;
        foreach (string connection in scenario.Connections.Keys)
        {
            if (ClientCommands.AreKept(scenario.Steps.Where(step => step.Connection == connection)))
            {
                using var transcript = new ClientTranscript(scenario, connection);
                transcript.Run();
                problems.AddRange(transcript._problems.Select(problem => $"client {connection} {problem}"));
                played++;
            }
        }

        return problems;
    }

    public void Dispose()
    {
        _session.Dispose();
    }

    void IEdgeClientEvents.OnReady() => _events++;

    void IEdgeClientEvents.OnResponse(uint requestId, in EdgeReply reply) => _events++;

    void IEdgeClientEvents.OnPortOpened(uint requestId, PortRef port) => _events++;

    void IEdgeClientEvents.OnPortOpenFailed(uint requestId, string reason) => _events++;

    void IEdgeClientEvents.OnPortOpenRequested(in IncomingPort port)
    {
        _events++;
        _incoming[port.Port] = port;
    }

    void IEdgeClientEvents.OnPortData(PortRef port, ReadOnlySpan<byte> data)
    {
        _events++;
        _data.AddRange(data);
    }

    void IEdgeClientEvents.OnPortClosed(PortRef port) => _events++;

    void IEdgeClientEvents.OnTicketRejected(string reason) => _events++;

    void IEdgeClientEvents.OnMessageReceived(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata) => _events++;

    void IEdgeClientEvents.OnBlockHeader(ulong chainId, ReadOnlySpan<byte> header) => _events++;

    void IEdgeClientEvents.OnTrace(ulong unixTimeMs, string name, string text) => _events++;

    void IEdgeClientEvents.OnNotify(string level, string code, string text) => _events++;

    void IEdgeClientEvents.OnPhysicalPortRequested(
        ulong requestId, ushort physicalPort, Address source, ReadOnlySpan<byte> name, bool isUdp)
    {
        _events++;
        _physical[physicalPort] = requestId;
    }

    void IEdgeClientEvents.OnPhysicalPortClosed(ushort physicalPort) => _events++;

    private void Run()
    {
        foreach (EdgeStep step in _steps)
        {
            long nowMs = _scenario.StartMs + step.TimeMs;
            switch (step.Event)
            {
                case "open":
                    _session.Start(nowMs);
                    break;
                case "c2s":
                    Drive(step);
                    break;
                case "s2c":
                    Hear(step, nowMs);
                    break;
            }
        }

        TakeOutput();
        if (_session.Failure is string failure)
        {
            _problems.Add("fails: " + failure);
        }
    }

    private void Drive(EdgeStep step)
    {
        if (step.Method is "ticket" or "ticketv2")
        {
            _recordedTickets.Add(step.Request);
            return;
        }

        List<RlpItem> written = step.Method == "hello" ? [] : TakeOutput();
        bool mayRefuse = step.Method != "hello"
            && !ClientCommands.Give(_session, step.Message!.Items[1], _incoming, _physical);
        written.AddRange(TakeOutput());
        RlpItem command = step.Message!.Items[1];
        RlpItem? same = written.Find(item => item.Items[1].Encode().AsSpan().SequenceEqual(command.Encode()));
        if (same is not null)
        {
            _ownIds[step.Request] = same.Items[0];
        }
        else if (!mayRefuse && !IsCut(written, command))
        {
            _problems.Add("does not write " + step.Text[..Math.Min(step.Text.Length, 120)]);
        }
    }

    // Clients cut data at 65,000 bytes, wherever the recorded one did.
    private static bool IsCut(List<RlpItem> written, RlpItem command)
    {
        return EdgeStep.MethodOf(RlpItem.FromItems(RlpItem.FromBytes([]), command)) == "portsend"
            && written.SelectMany(item => item.Items[1].Items[2].Bytes.ToArray())
                .SequenceEqual(command.Items[2].Bytes.ToArray());
    }

    private void Hear(EdgeStep step, long nowMs)
    {
        RlpItem message = step.Message!;
        bool isReply = step.Method is "response" or "error";
        bool counts = step.Method is not "ticket_request";
        if (isReply)
        {
            if (_recordedTickets.Contains(step.Request))
            {
                if (!_ownTickets.TryDequeue(out RlpItem? ticket))
                {
                    return;
                }

                message = RlpItem.FromItems(ticket, message.Items[1]);
                counts = false;
            }
            else if (_ownIds.TryGetValue(step.Request, out RlpItem? id))
            {
                message = RlpItem.FromItems(id, message.Items[1]);
                counts = _greeted && !IsSilent(step);
                _greeted = true;
            }
            else
            {
                // The answer to something our client does not do.
                return;
            }
        }

        int before = _events;
        _data.Clear();
        _session.Receive(Frame(message.Encode()), nowMs);

        // Port names that are empty or too long are refused at once.
        bool answers = TakeOutput().Count > 0;
        if (counts && _events == before && !answers)
        {
            _problems.Add("does not notice " + step.Text[..Math.Min(step.Text.Length, 120)]);
        }

        if (step.Method == "portsend" && !_data.SequenceEqual(message.Items[1].Items[2].Bytes.ToArray()))
        {
            _problems.Add("gets other data than " + step.Text[..Math.Min(step.Text.Length, 120)]);
        }
    }

    // Answers that say nothing that counts.
    private bool IsSilent(EdgeStep reply)
    {
        string method = _steps.First(step => step.Event == "c2s" && step.Request == reply.Request).Method;
        return method is "portsend" or "portclose" or "portclose2" or "message";
    }

    private byte[] Frame(byte[] payload)
    {
        payload = _deflates ? RawDeflate.Deflate(payload) : payload;
        return [(byte)(payload.Length >> 8), (byte)payload.Length, .. payload];
    }

    // All commands our client wrote except tickets, which must be good.
    private List<RlpItem> TakeOutput()
    {
        List<RlpItem> messages = [];
        ReadOnlySpan<byte> output = _session.Output.Span;
        for (int at = 0; at + 2 <= output.Length;)
        {
            int length = (output[at] << 8) | output[at + 1];
            byte[] payload = output.Slice(at + 2, length).ToArray();
            if (_deflates && !RlpItem.TryDecode(payload, out _))
            {
                VectorCheck.True(RawDeflate.TryInflate(payload, 1 << 20, out payload), "our client writes odd frames");
            }

            VectorCheck.True(RlpItem.TryDecode(payload, out RlpItem? message), "our client writes odd frames");
            at += 2 + length;
            if (EdgeStep.MethodOf(message!) is "ticket" or "ticketv2")
            {
                VectorCheck.True(ClientCommands.IsGoodTicket(message!.Items[1], _device, _node), "our client's ticket is bad");
                _ownTickets.Enqueue(message.Items[0]);
            }
            else
            {
                messages.Add(message!);
            }
        }

        _session.ConsumeOutput(output.Length);
        return messages;
    }
}

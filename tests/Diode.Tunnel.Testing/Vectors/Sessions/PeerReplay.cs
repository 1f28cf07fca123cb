using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>A whole relay of ours, without sockets, with the recorded key and clock, to which a recording is played.</summary>
internal sealed class PeerReplay : IFrameOutboxOwner, IPeerDialer, IDisposable
{
    // The recording rounds, and our timer looks four times a second.
    private const int TimerMs = 300;
    private const long EpochMs = 2_592_000_000;

    private readonly RelayWorld _world;
    private readonly PeerCore _core;
    private readonly PeerNetwork _network;
    private readonly VectorCase[] _steps;
    private readonly long _startMs;
    private readonly Dictionary<string, VectorCase> _connections;
    private readonly Dictionary<string, PeerSession> _links = [];
    private readonly Dictionary<string, RelayPeer> _devices = [];
    private readonly HashSet<string> _closedByNode = [];
    private readonly HashSet<string> _gone = [];
    private (Address Device, Ticket Ticket, byte[] Key)? _meanwhile;
    private bool _hasLoggedIn;
    private bool _hasAsked;
    private RelaySession? _session;

    public PeerReplay(
        VectorCase file, VectorCase vector, BlockHashLookup blocks, ServerObject[] known, IEnumerable<Address> members)
    {
        Key = file.Sub("node1").PrivateKey("private");
        _steps = [.. vector.Items("steps").Select(step => new VectorCase(step))];
        _connections = vector.Items("connections").Select(connection => new VectorCase(connection))
            .ToDictionary(connection => connection.Text("name"));
        _startMs = ((long)file.Number("epoch") * EpochMs) + (EpochMs / 2);
        _world = new RelayWorld(key: Key) { NowMs = _startMs };
        var store = new DhtStore(Key.Address, blocks: blocks);
        _core = new PeerCore(Key.Address, _world.Core.GetServer, store, known.Select(server => server.Address).Concat(members))
        {
            Devices = _world.Core.RemoteDevices,
        };
        _network = new PeerNetwork(_core, this, () => _world.NowMs, []);
        _world.Core.Network = _network;
        _world.Core.Tickets.Accepted = _network.Publish;
        foreach (ServerObject server in known)
        {
            _ = store.Put(DhtObject.FromServer(server), Key.Address, _startMs);
        }
    }

    public PrivateKey Key { get; }

    /// <summary>What each peer was sent.</summary>
    public Dictionary<string, List<BertTerm>> Sent { get; } = [];

    /// <summary>What each device was told, as text without ids.</summary>
    public Dictionary<string, List<string>> Told { get; } = [];

    /// <summary>Links that the recorded relay closed and ours did not.</summary>
    public IEnumerable<string> LeftOpen => _closedByNode
        .Where(name => _links.TryGetValue(name, out PeerSession? link) && link.Failure == PeerCloseReason.None);

    /// <summary>Links that ours closed although the recorded relay did not.</summary>
    public IEnumerable<string> WronglyClosed => _links
        .Where(link => link.Value.Failure != PeerCloseReason.None
            && !_closedByNode.Contains(link.Key)
            && !_gone.Contains(link.Key))
        .Select(link => link.Key);

    /// <summary>A frame to or from a device as text, without the id and, in requests of the relay, the counter.</summary>
    public static string ShowEdge(ReadOnlySpan<byte> frame)
    {
        VectorCheck.True(RlpItem.TryDecode(frame[2..], out RlpItem? item), "the recorded frame");
        return ShowCommand(item!.Items[1]);
    }

    /// <summary>A device that logs in and asks for an object as soon as the recording shows what the relay does then.</summary>
    public void ExpectDevice(Address device, Ticket ticket, byte[] key)
    {
        _meanwhile = (device, ticket, key);
    }

    public void Play(VectorCase step)
    {
        AdvanceTo(_startMs + (long)step.Number("t_ms"));
        string name = step.Text("conn");
        switch (step.Text("event"))
        {
            case "open" when _connections[name].Has("peer") && !IsDevice(name):
                Address peer = _connections[name].Address("peer");
                _links[name] = new PeerSession(
                    _core, peer, _world.NowMs, this, onReady: link => _network.OnReady(link, _world.NowMs));
                Sent[name] = [];
                break;
            case "open":
                _devices[name] = _world.Connect(_connections[name].PrivateKey("peer_private"));
                Told[name] = [];
                break;
            case "c2s" when _links.TryGetValue(name, out PeerSession? link):
                ExpectRef(step);
                _ = link.Receive(step.Hex("frame"), _world.NowMs);
                break;
            case "c2s" or "edge_c2s":
                _devices[name].Feed(step.Hex("edge_frame"));
                break;
            case "s2c" when _links.ContainsKey(name):
                DoMeanwhile(step);
                break;
            case "s2c" or "edge_s2c":
                break;
            case "closed_by_node":
                _closedByNode.Add(name);
                AdvanceTo(_world.NowMs + TimerMs);
                break;
            case "closed_by_client":
                Collect();
                _gone.Add(name);
                if (_links.TryGetValue(name, out PeerSession? left))
                {
                    _network.OnDown(left, _world.NowMs);
                }

                break;
            default:
                throw new VectorException("unknown event " + step.Text("event"));
        }
    }

    public void End()
    {
        Collect();
    }

    public void Dial(PeerTarget target)
    {
        // Nobody is there.
    }

    public void OnOutputAvailable()
    {
    }

    public void OnOutputOverflow()
    {
    }

    public void Dispose()
    {
        foreach (PeerSession link in _links.Values)
        {
            link.Dispose();
        }

        Key.Dispose();
    }

    private static string ShowCommand(RlpItem command)
    {
        string method = System.Text.Encoding.ASCII.GetString(command.Items[0].Bytes.Span);

        // Its number is what was used so far, which depends on when it was counted.
        return method == "ticket_request"
            ? method
            : method + string.Concat(command.Items.Skip(1).Select(item => " " + Convert.ToHexStringLower(item.Encode())));
    }

    private bool IsDevice(string name)
    {
        return Array.Exists(_steps, step => step.Text("conn") == name && step.Has("edge_frame"));
    }

    // The ref of a port is chosen by the relay; the recorded device answers the recorded one.
    private void ExpectRef(VectorCase step)
    {
        if (step.Has("etf")
            && PeerTerms.TryGetTag(PeerSessionVectors.ReadTerm(step), out string tag)
            && tag == PeerTerms.PortOpen
            && PeerTerms.TryGetRef(PeerSessionVectors.ReadTerm(step).Items[2], out ulong portRef))
        {
            _world.Expect((uint)portRef);
        }
    }

    private void DoMeanwhile(VectorCase step)
    {
        if (_meanwhile is not (Address device, Ticket ticket, byte[] key)
            || !PeerTerms.TryGetTag(PeerSessionVectors.ReadTerm(step), out string tag))
        {
            return;
        }

        if (tag == PeerTerms.Store && !_hasLoggedIn)
        {
            _hasLoggedIn = true;
            var link = new SilentLink();
            _session = _world.Core.TryAdd(device, link, _world.NowMs);
            Feed(ticket.WriteSubmission);
        }
        else if (tag == PeerTerms.FindValue && !_hasAsked)
        {
            _hasAsked = true;
            Feed(rlp =>
            {
                rlp.BeginList();
                rlp.WriteText("getobject");
                rlp.WriteBytes(key);
                rlp.EndList();
            });
        }
    }

    private void Feed(Action<RlpWriter> writeCommand)
    {
        var rlp = new RlpWriter();
        rlp.BeginList();
        rlp.WriteUInt64(1);
        writeCommand(rlp);
        rlp.EndList();
        byte[] payload = rlp.ToArray();
        _ = _session!.Edge.Receive([(byte)(payload.Length >> 8), (byte)payload.Length, .. payload], _world.NowMs);
    }

    private void AdvanceTo(long timeMs)
    {
        if (timeMs > _world.NowMs)
        {
            _world.Advance(TimeSpan.FromMilliseconds(timeMs - _world.NowMs));
        }

        _network.Tick(_world.NowMs);
        foreach (PeerSession link in _links.Values)
        {
            _ = link.Tick(_world.NowMs);
        }
    }

    private void Collect()
    {
        foreach ((string name, PeerSession link) in _links)
        {
            Sent[name].AddRange(Read(link));
        }

        foreach ((string name, RelayPeer device) in _devices)
        {
            Told[name].AddRange(device.Read().Select(frame => ShowCommand(frame.Items[1])));
        }
    }

    private static List<BertTerm> Read(PeerSession link)
    {
        using var reader = new PeerFrameReader();
        while (link.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            reader.Append(chunk.Span);
            link.Output.Advance(chunk.Length);
        }

        List<BertTerm> messages = [];
        while (reader.TryRead(out ReadOnlySpan<byte> payload))
        {
            VectorCheck.True(PeerFrames.TryRead(payload, out BertTerm? message), "our own frame");
            messages.Add(message!);
        }

        return messages;
    }

    private sealed class SilentLink : IRelayLink
    {
        public void CheckAlive()
        {
        }

        public string PeerHost => "127.0.0.1";

        public AddressBudget AddressBudget { get; } = new();

        public void Close(CloseReason reason)
        {
        }

        public void OnOutputAvailable()
        {
        }

        public void OnOutputOverflow()
        {
        }

        public void OnOutboxRoom()
        {
        }
    }
}

using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// Plays the clients of a recorded scenario to relays of ours with the recorded keys, on the recorded clock, and collects
/// what they are answered.
/// </summary>
internal sealed class EdgeReplay
{
    // The recording rounds, and our timer looks four times a second.
    private const int TimerMs = 300;

    private readonly EdgeScenario _scenario;
    private readonly RecordedChain _chain;
    private readonly Dictionary<Address, RelayWorld> _worlds = [];
    private readonly Dictionary<string, RelayPeer> _peers = [];
    private int _next;

    /// <param name="scenario">What to play.</param>
    /// <param name="chains">The chains behind the relays; null for the recorded answers.</param>
    public EdgeReplay(EdgeScenario scenario, IChainGateway? chains = null)
    {
        _scenario = scenario;
        _chain = new RecordedChain(scenario);
        foreach ((Address address, Ethereum.Crypto.PrivateKey key) in scenario.Nodes)
        {
            var world = new RelayWorld(chain: _chain, key: key) { NowMs = scenario.StartMs };
            world.Core.Chains = chains ?? _chain;
            _worlds.Add(address, world);
        }

        foreach ((Address address, RelayWorld world) in _worlds)
        {
            world.Core.Network = new RecordedNetwork(_worlds.Values.Where(other => other.Core.Address != address));
        }
    }

    /// <summary>What each connection was sent.</summary>
    public Dictionary<string, List<RlpItem>> Actual { get; } = [];

    /// <summary>
    /// What a connection was sent because another one was closed by its client: not recorded when all end together.
    /// </summary>
    public Dictionary<string, List<RlpItem>> Optional { get; } = [];

    /// <summary>Connections that the recorded relay closed, and whether ours did.</summary>
    public Dictionary<string, bool> Closed { get; } = [];

    /// <summary>Connections that our relay closed although the recorded one did not.</summary>
    public IEnumerable<string> WronglyClosed => _peers
        .Where(peer => peer.Value.Closed != CloseReason.None && !Closed.ContainsKey(peer.Key))
        .Select(peer => peer.Key);

    public void Run()
    {
        for (_next = 0; _next < _scenario.Steps.Count; _next++)
        {
            EdgeStep step = _scenario.Steps[_next];
            AdvanceTo(_scenario.StartMs + step.TimeMs);
            Play(step);
        }

        Collect(Actual);
    }

    private void Play(EdgeStep step)
    {
        string name = step.Connection;
        switch (step.Event)
        {
            case "open":
                (Ethereum.Crypto.PrivateKey device, Address node) = _scenario.Connections[name];
                _peers[name] = _worlds[node].Connect(device);
                Actual[name] = [];
                Optional[name] = [];
                break;
            case "c2s":
                ExpectChoices(step);
                _peers[name].Feed(step.Frame);
                break;
            case "s2c" when step.Method == "portclose2":
                // Unless a device asked for it, the connections to the port were closed.
                World(name).Sockets.Bound[^1].End();
                break;
            case "s2c" when step.Method == "blockheader":
                _chain.PushBlock();
                break;
            case "s2c":
                break;
            case "closed_by_client":
                Collect(Actual);
                _peers[name].Disconnect();
                Collect(Optional);
                break;
            case "closed_by_node":
                AdvanceTo(World(name).NowMs + TimerMs);
                Closed[name] = _peers[name].Closed != CloseReason.None;
                if (Closed[name])
                {
                    Collect(Actual);
                    _peers[name].Disconnect();
                }

                break;
            default:
                throw new VectorException("unknown event " + step.Event);
        }
    }

    private RelayWorld World(string connection)
    {
        return _worlds[_scenario.Connections[connection].Node];
    }

    private void AdvanceTo(long timeMs)
    {
        foreach (RelayWorld world in _worlds.Values.Where(world => timeMs > world.NowMs))
        {
            world.Advance(TimeSpan.FromMilliseconds(timeMs - world.NowMs));
        }
    }

    private void Collect(Dictionary<string, List<RlpItem>> into)
    {
        foreach ((string name, RelayPeer peer) in _peers)
        {
            into[name].AddRange(peer.Read());
        }
    }

    // Refs and physical ports that the recorded relay chose for this command, so that what the clients said later fits.
    private void ExpectChoices(EdgeStep command)
    {
        string method = command.Method[(command.Method.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (method is not ("portopen" or "portopen2"))
        {
            return;
        }

        RelayWorld world = World(command.Connection);
        world.ExpectNothing();
        ulong? chosen = FindChoice(command, method);
        if (chosen is ulong number && method == "portopen")
        {
            world.Expect((uint)number);
        }
        else if (chosen is ulong port)
        {
            world.Sockets.Expect((ushort)port);
        }
    }

    private ulong? FindChoice(EdgeStep command, string method)
    {
        IEnumerable<EdgeStep> later = _scenario.Steps.Skip(_next + 1)
            .Where(step => step.Event == "s2c" && step.Message is not null);
        EdgeStep? reply = later.FirstOrDefault(step => step.Request == command.Request);
        RlpItem? chosen = null;
        if (reply?.Message!.Items[1].Items is { Count: 3 } answer && reply.Method == "response")
        {
            chosen = answer[2];
        }
        else if (method == "portopen" && command.Message!.Items[1].Items.Count >= 3)
        {
            // Denied or never answered: the target heard the ref.
            Address device = _scenario.Connections[command.Connection].Device.Address;
            byte[] name = [.. command.Message.Items[1].Items[2].Bytes.Span.TrimStart((byte)0)];
            chosen = later.FirstOrDefault(step => step.Method == method
                    && step.Message!.Items[1].Items.Count == 4
                    && step.Message.Items[1].Items[1].Bytes.Span.SequenceEqual(name)
                    && step.Message.Items[1].Items[3].Bytes.Span.SequenceEqual(device.ToArray()))
                ?.Message!.Items[1].Items[2];
        }

        return chosen is not null && RlpEncoding.TryReadInteger(chosen.Bytes.Span, out ulong number) ? number : null;
    }
}

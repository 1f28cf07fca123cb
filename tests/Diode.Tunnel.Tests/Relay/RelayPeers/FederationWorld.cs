using System.Text;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>Several relays on one clock, joined by pipes instead of sockets. Nothing in it depends on chance or threads.</summary>
internal sealed class FederationWorld : IDisposable
{
    private const int StepMs = 20;
    private const int ConnectTimeoutMs = 5000;

    private readonly List<(long AtMs, Action Run)> _timers = [];
    private readonly List<Pipe> _pipes = [];

    /// <param name="count">Number of relays; all know the keys of all.</param>
    /// <param name="seed">The relay whose place everybody knows; null: everybody knows it of everybody.</param>
    public FederationWorld(int count, int? seed = 0)
    {
        PrivateKey[] keys = [.. Enumerable.Range(0, count).Select(MakeKey)];
        Nodes = [.. keys.Select((key, index) => new Node(this, index, key))];
        Members = [.. keys.Select(key => key.Address)];
        Seeds = [.. Nodes.Where(node => seed is null || node.Index == seed).Select(node => node.Target)];
        foreach (Node node in Nodes)
        {
            node.Start();
        }
    }

    public Node[] Nodes { get; }

    public Address[] Members { get; }

    public PeerTarget[] Seeds { get; }

    public long NowMs { get; private set; } = 1_795_252_371_000;

    public StringBuilder Events { get; } = new();

    /// <summary>Connections between two relays, in whatever state.</summary>
    public int CountPipes(Node left, Node right)
    {
        return _pipes.Count(pipe => pipe.Joins(left, right));
    }

    public static PrivateKey MakeKey(int index)
    {
        Assert.True(PrivateKey.TryFromBytes(Hash256.Sha256([(byte)index, (byte)(index >> 8), 1, 2, 3]).ToArray(), out PrivateKey? key));
        return key;
    }

    public void Advance(int milliseconds)
    {
        for (long until = NowMs + milliseconds; NowMs < until;)
        {
            NowMs += StepMs;
            foreach ((_, Action run) in TakeTimers())
            {
                run();
            }

            foreach (Pipe pipe in _pipes.ToArray())
            {
                if (!pipe.Move(NowMs))
                {
                    Cut(pipe);
                }
            }

            if (NowMs % 240 < StepMs)
            {
                foreach (Node node in Nodes.Where(node => node.IsUp))
                {
                    node.Network.Tick(NowMs);
                }
            }
        }
    }

    /// <summary>Asks one relay for an object and waits for the answer.</summary>
    public DhtObject? Find(Node node, Hash256 key)
    {
        DhtObject? found = null;
        bool done = false;
        node.Network.Find(key, NowMs, value => (found, done) = (value, true));
        for (int i = 0; i < 200 && !done; i++)
        {
            Advance(StepMs);
        }

        Assert.True(done, "a lookup did not end");
        return found;
    }

    public void Dispose()
    {
        foreach (Node node in Nodes)
        {
            node.Key.Dispose();
        }
    }

    private void Dial(Node from, PeerTarget target)
    {
        Node? to = Nodes.FirstOrDefault(node => node.Target.Port == target.Port);
        int run = from.Runs;
        bool isUp = to is { IsUp: true };
        At(isUp ? 2 * StepMs : ConnectTimeoutMs, () =>
        {
            if (!from.IsUp || from.Runs != run)
            {
                return;
            }

            if (!isUp || !to!.IsUp || to.Key.Address != target.Relay)
            {
                from.Network.OnDialFailed(target, NowMs);
                return;
            }

            Events.Append(NowMs).Append(": ").Append(from.Index).Append(" dials ").Append(to.Index).AppendLine();
            _pipes.Add(new Pipe(from, to, NowMs));
        });
    }

    private void Cut(Pipe pipe)
    {
        _pipes.Remove(pipe);
        pipe.End(NowMs);
        Events.Append(NowMs).Append(": cut ").Append(pipe).AppendLine();
    }

    private void CutAll(Node node)
    {
        foreach (Pipe pipe in _pipes.Where(pipe => pipe.Joins(node)).ToArray())
        {
            Cut(pipe);
        }
    }

    private void At(int delayMs, Action run)
    {
        _timers.Add((NowMs + delayMs, run));
    }

    private (long AtMs, Action Run)[] TakeTimers()
    {
        (long AtMs, Action Run)[] due = [.. _timers.Where(timer => timer.AtMs <= NowMs)];
        _timers.RemoveAll(timer => timer.AtMs <= NowMs);
        return due;
    }

    internal sealed class Node(FederationWorld world, int index, PrivateKey key) : IPeerDialer
    {
        private ServerObject? _own;
        private long _ownMs;

        public int Index => index;

        public PrivateKey Key => key;

        public PeerTarget Target { get; } = new(key.Address, "relay", (ushort)(1000 + index));

        public bool IsUp { get; private set; }

        public int Runs { get; private set; }

        public PeerCore Core { get; private set; } = null!;

        public PeerNetwork Network { get; private set; } = null!;

        public DhtStore Store => Core.Store;

        /// <summary>Begins without memory of the others, and with the table it had only if that was kept.</summary>
        public void Start(bool keepsTable = false)
        {
            Assert.False(IsUp);
            IsUp = true;
            Runs++;
            DhtStore table = keepsTable ? Core.Store : new DhtStore(key.Address);
            Core = new PeerCore(key.Address, Describe, table, world.Members);
            Network = new PeerNetwork(Core, this, () => world.NowMs, world.Seeds);
        }

        /// <summary>Gone without a word.</summary>
        public void Kill()
        {
            IsUp = false;
            world.CutAll(this);
        }

        public void Dial(PeerTarget target)
        {
            world.Dial(this, target);
        }

        public override string ToString()
        {
            return index.ToString();
        }

        private ServerObject Describe(long nowMs)
        {
            if (_own is null || nowMs - _ownMs >= 10_000)
            {
                _own = ServerObject.Create(
                    key, "relay", 41046, Target.Port, "1.0", new KeyValuePair<string, ServerValue>("block", ServerValue.FromNumber(nowMs / 1000)));
                _ownMs = nowMs;
            }

            return _own;
        }
    }

    /// <summary>A connection with a step of delay; each end lives as long as its relay's run.</summary>
    private sealed class Pipe : IFrameOutboxOwner, IDisposable
    {
        private readonly Node _left;
        private readonly Node _right;
        private readonly PeerSession _leftSession;
        private readonly PeerSession _rightSession;
        private readonly PeerNetwork _leftNetwork;
        private readonly PeerNetwork _rightNetwork;

        public Pipe(Node left, Node right, long nowMs)
        {
            _left = left;
            _right = right;
            _leftNetwork = left.Network;
            _rightNetwork = right.Network;
            _leftSession = new PeerSession(
                left.Core, right.Key.Address, nowMs, this, true, session => _leftNetwork.OnReady(session, NowMs));
            _rightSession = new PeerSession(
                right.Core, left.Key.Address, nowMs, this, false, session => _rightNetwork.OnReady(session, NowMs));
            NowMs = nowMs;
        }

        private long NowMs { get; set; }

        public bool Joins(Node node) => _left == node || _right == node;

        public bool Joins(Node left, Node right) => (_left == left && _right == right) || (_left == right && _right == left);

        public bool Move(long nowMs)
        {
            NowMs = nowMs;
            byte[] toRight = PeerWorld.Drain(_leftSession);
            byte[] toLeft = PeerWorld.Drain(_rightSession);
            bool left = _leftSession.Receive(toLeft, nowMs) && _leftSession.Tick(nowMs);
            bool right = _rightSession.Receive(toRight, nowMs) && _rightSession.Tick(nowMs);
            return left && right;
        }

        public void End(long nowMs)
        {
            _leftNetwork.OnDown(_leftSession, nowMs);
            _rightNetwork.OnDown(_rightSession, nowMs);
            Dispose();
        }

        public void Dispose()
        {
            _leftSession.Dispose();
            _rightSession.Dispose();
        }

        public void OnOutputAvailable()
        {
        }

        public void OnOutputOverflow()
        {
        }

        public override string ToString()
        {
            return $"{_left}-{_right} {_leftSession.Failure}/{_rightSession.Failure}";
        }
    }
}

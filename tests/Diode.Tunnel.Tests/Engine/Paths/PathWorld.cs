using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>What a NAT or firewall in front of an end does.</summary>
internal enum NatKind
{
    None,
    FullCone,
    AddressFiltered,
    PortFiltered,
    Symmetric,
    Blocked,
}

/// <summary>Two ends, their NATs, the internet between them and a relay stream, in virtual time. Deterministic by seed.</summary>
internal sealed class PathWorld
{
    public const long Ms = TimeSpan.TicksPerMillisecond;

    private readonly PriorityQueue<Action, (long, long)> _events = new();
    private readonly Random _random;
    private long _order;

    public PathWorld(NatKind a = NatKind.None, NatKind b = NatKind.None, int seed = 1)
    {
        _random = new Random(seed);
        A = new PathEnd(this, "198.51.100.1:41042", "10.0.1.2:41042", a);
        B = new PathEnd(this, "198.51.100.2:41042", "10.0.2.2:41042", b);
        A.Other = B;
        B.Other = A;
    }

    public PathEnd A { get; }

    public PathEnd B { get; }

    public long Now { get; private set; } = 1_000_000 * Ms;

    /// <summary>One way, by UDP and by the stream.</summary>
    public long Delay { get; set; } = 10 * Ms;

    public long StreamDelay { get; set; } = 25 * Ms;

    public long Jitter { get; set; }

    public double Loss { get; set; }

    /// <summary>Longest UDP datagram that passes.</summary>
    public int MaxDatagram { get; set; } = 1472;

    public bool StreamIsUp { get; set; } = true;

    /// <summary>What the stream's TCP connections hold while a cable is out; null: they hold nothing. Comes all at once afterwards.</summary>
    public List<Action>? Held { get; set; }

    /// <summary>Everything that passed by UDP, for eavesdroppers.</summary>
    public List<(EndpointAddress From, EndpointAddress To, byte[] Datagram)> Seen { get; } = [];

    public static EndpointAddress Address(string text)
    {
        Assert.True(EndpointAddress.TryParse(text, out EndpointAddress address));
        return address;
    }

    /// <summary>Both know each other's secrets and candidates, as after the control channel's first messages.</summary>
    public PathWorld Introduce(long gap = 0)
    {
        A.Introduce();
        Run(gap);
        B.Introduce();
        return this;
    }

    /// <summary>Lets time pass.</summary>
    public void Run(long duration)
    {
        long end = Now + duration;
        while (true)
        {
            long step = Math.Min(A.NextAt, B.NextAt);
            if (_events.TryPeek(out Action? due, out (long At, long) key) && key.At <= Math.Min(step, end))
            {
                _events.Dequeue();
                Now = Math.Max(Now, key.At);
                due();
            }
            else if (step <= end)
            {
                Now = Math.Max(Now, step);
                A.Step();
                B.Step();
            }
            else
            {
                Now = end;
                return;
            }
        }
    }

    /// <summary>Lets time pass until something is true; returns how long it took, or fails.</summary>
    public long Until(Func<bool> condition, long limit)
    {
        long start = Now;
        while (!condition())
        {
            Assert.True(Now - start <= limit, $"not within {limit / Ms} ms: A {A.Agent.Current}, B {B.Agent.Current}");
            Run(Ms);
        }

        return Now - start;
    }

    /// <summary>Data both ways at a steady pace for a time; returns how many of them arrived.</summary>
    public (int Sent, int Arrived) Talk(long duration, long gap = 10 * Ms, bool bothWays = true)
    {
        int before = A.DataReceived + B.DataReceived;
        int sent = 0;
        for (long end = Now + duration; Now < end;)
        {
            A.SendData();
            sent++;
            if (bothWays)
            {
                B.SendData();
                sent++;
            }

            Run(gap);
        }

        return (sent, A.DataReceived + B.DataReceived - before);
    }

    public void At(long delay, Action action)
    {
        _events.Enqueue(action, (Now + delay, ++_order));
    }

    public void Udp(PathEnd from, EndpointAddress to, byte[] datagram)
    {
        if (from.IsMute || _random.NextDouble() < Loss || datagram.Length > MaxDatagram || from.Out(to) is not { IsSet: true } source)
        {
            return;
        }

        Seen.Add((source, to, datagram));
        At(Delay + (Jitter > 0 ? _random.NextInt64(Jitter) : 0), () => from.Other.Arrive(source, to, datagram));
    }

    public void Stream(PathEnd from, byte[] datagram)
    {
        if (Held is { } held)
        {
            held.Add(() => At(StreamDelay, () => from.Other.ArriveByStream(datagram)));
        }
        else if (StreamIsUp)
        {
            At(StreamDelay, () => from.Other.ArriveByStream(datagram));
        }
    }
}

using Diode.Tunnel.Relay.PhysicalPorts;

namespace Diode.Tunnel.Testing.Relay;

/// <summary>Sockets without a system: tests say which numbers they get and play their peers.</summary>
internal sealed class FakePhysicalSockets : IPhysicalSocketFactory
{
    private readonly Queue<ushort> _numbers = new();
    private ushort _next = 40_000;

    public List<FakePhysicalSocket> Bound { get; } = [];

    public bool IsExhausted { get; set; }

    public void Expect(ushort number)
    {
        _numbers.Enqueue(number);
    }

    public void ExpectNothing()
    {
        _numbers.Clear();
    }

    public IPhysicalSocket? TryBind(PhysicalPort port, Action<PhysicalPort> onEnd)
    {
        if (IsExhausted)
        {
            return null;
        }

        var socket = new FakePhysicalSocket(_numbers.TryDequeue(out ushort known) ? known : _next++, port, onEnd);
        Bound.Add(socket);
        return socket;
    }
}

internal sealed class FakePhysicalSocket(ushort number, PhysicalPort port, Action<PhysicalPort> onEnd) : IPhysicalSocket
{
    public ushort Number { get; } = number;

    public PhysicalPort Port { get; } = port;

    public bool IsStarted { get; private set; }

    public bool IsClosed { get; private set; }

    public void Start()
    {
        IsStarted = true;
    }

    public void Close()
    {
        IsClosed = true;
    }

    /// <summary>A peer closed its connection.</summary>
    public void End()
    {
        onEnd(Port);
    }
}

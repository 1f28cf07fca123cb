using Diode.Tunnel.Engine.Relays;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>Datagrams between one local port and one port of a plain device, inside one relay port.</summary>
internal sealed class UdpFlow(StackFlowKey key, PlainTarget target)
{
    private const int MaxWaiting = 16;

    private readonly Lock _gate = new();
    private readonly Queue<byte[]> _waiting = new();
    private RelayPort? _port;
    private long _moved;

    /// <summary>Addresses and ports.</summary>
    public StackFlowKey Key { get; } = key;

    /// <summary>The device.</summary>
    public PlainTarget Target { get; } = target;

    /// <summary>Datagrams in both directions; standing still means silence.</summary>
    public long Moved => Interlocked.Read(ref _moved);

    /// <summary>Ends the flow.</summary>
    public CancellationTokenSource Stop { get; } = new();

    /// <summary>The port could not be opened: for a moment, senders are told so at once.</summary>
    public volatile bool IsRefused;

    /// <summary>Sends a framed datagram (length and bytes), or keeps a copy while the port is being opened; the oldest gives way.</summary>
    public void Send(ReadOnlySpan<byte> framed)
    {
        CountMoved();
        lock (_gate)
        {
            if (_port is null)
            {
                _waiting.Enqueue(framed.ToArray());
                if (_waiting.Count > MaxWaiting)
                {
                    _waiting.Dequeue();
                }

                return;
            }
        }

        _port.Relay.TrySendData(_port.Reference, framed);
    }

    /// <summary>The port is open: what waited goes out.</summary>
    public void Open(RelayPort port)
    {
        lock (_gate)
        {
            while (_waiting.TryDequeue(out byte[]? framed))
            {
                port.Relay.TrySendData(port.Reference, framed);
            }

            _port = port;
        }
    }

    /// <summary>Counts a datagram.</summary>
    public void CountMoved()
    {
        Interlocked.Increment(ref _moved);
    }
}

using Diode.Tunnel.WireGuard.Noise;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>What the peers of one interface share. Thread-safe.</summary>
internal sealed class InterfaceContext(LocalIdentity identity, WireGuardOptions options, IWireGuardOutput output)
{
    private readonly Lock _timestampGate = new();
    private long _lastTimestamp;
    private int _mtu = options.Mtu;

    public LocalIdentity Identity { get; } = identity;

    public WireGuardOptions Options { get; } = options;

    public IWireGuardOutput Output { get; } = output;

    public ReceiverIndices Indices { get; } = new(options.Random);

    public TimerQueue Timers { get; } = new();

    public DropCounters Drops { get; } = new();

    public int Mtu
    {
        get => Volatile.Read(ref _mtu);
        set => Volatile.Write(ref _mtu, value);
    }

    /// <summary>Timestamp of a new initiation: strictly increasing even if the clock is set back (WireGuard §5.1).</summary>
    public long NextTimestamp()
    {
        long time = Tai64N.ToSteps(Options.UtcNow());
        lock (_timestampGate)
        {
            _lastTimestamp = Math.Max(time, _lastTimestamp + Tai64N.Step);
            return _lastTimestamp;
        }
    }
}

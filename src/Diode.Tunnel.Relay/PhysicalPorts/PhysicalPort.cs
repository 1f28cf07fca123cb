using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>
/// A TCP or UDP port of this host that joins two peers, on behalf of two devices that pay for every byte each
/// (diode-edge §3.9). Knows its time limits; the table ends it at
/// <see cref="DeadlineMs"/>. The methods called by its socket
/// are thread-safe.
/// </summary>
internal sealed class PhysicalPort(
    RelaySession requester, RelaySession target, bool isUdp, RelayCounters counters, long nowMs)
{
    private const long AnswerTimeoutMs = 10_000;
    private const long PeerTimeoutMs = 35_000;
    private const long UdpIdleTimeoutMs = 3_600_000;

    private long _deadlineMs = nowMs + AnswerTimeoutMs;

    public RelaySession Requester { get; } = requester;

    public RelaySession Target { get; } = target;

    public bool IsUdp { get; } = isUdp;

    /// <summary>Set when bound, before anybody else sees the port.</summary>
    public IPhysicalSocket? Socket { get; set; }

    public ushort Number => Socket!.Number;

    /// <summary>Whether the target agreed; under the lock of the table.</summary>
    public bool IsConfirmed { get; private set; }

    /// <summary>When it ends unless something happens, unix milliseconds.</summary>
    public long DeadlineMs => Volatile.Read(ref _deadlineMs);

    /// <summary>The target agreed: peers may come.</summary>
    public void Confirm(long nowMs)
    {
        IsConfirmed = true;
        Volatile.Write(ref _deadlineMs, nowMs + PeerTimeoutMs);
    }

    /// <summary>The first peer is there (TCP) or sent something (UDP); waits for the second.</summary>
    public void OnFirstPeer(long nowMs)
    {
        Volatile.Write(ref _deadlineMs, nowMs + PeerTimeoutMs);
    }

    /// <summary>Both peers are there. TCP then lasts until one of them closes.</summary>
    public void OnJoined(long nowMs)
    {
        Volatile.Write(ref _deadlineMs, IsUdp ? nowMs + UdpIdleTimeoutMs : long.MaxValue);
    }

    /// <summary>A piece or packet was carried; no lock, no allocation.</summary>
    public void OnCarried(int bytes, long nowMs)
    {
        if (IsUdp)
        {
            Volatile.Write(ref _deadlineMs, nowMs + UdpIdleTimeoutMs);
        }

        Requester.Account.Add(bytes);
        Target.Account.Add(bytes);
        counters.CarriedPhysically(bytes);
    }

    /// <summary>A packet went nowhere.</summary>
    public void OnDropped()
    {
        counters.PhysicalDrop();
    }
}

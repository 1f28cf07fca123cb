using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Datagrams;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>A device that uses the exit. Fields belong to the lock of <see cref="ExitCore"/> unless they say otherwise.</summary>
internal sealed class ExitClient(DeviceAccount account, TunnelPublicKey key, uint address, long nowMs, bool hasPaid)
{
    private const int OpenBurst = 16;

    /// <summary>May become this one's at any time by one thread per direction: the two packet threads.</summary>
    public ByteBudget FromClient;

    /// <inheritdoc cref="FromClient"/>
    public ByteBudget ToClient;

    /// <summary>How often the device may open again, keeping its address.</summary>
    public TokenBucket Opens = new(OpenBurst, 1);

    private PaymentGate _payment = new(nowMs, hasPaid);
    private long _heardBytes;
    private long _accountedBytes;
    private volatile bool _isSuspended;

    public Address Device => Account.Device;

    public DeviceAccount Account { get; } = account;

    public TunnelPublicKey Key { get; } = key;

    public uint ClientAddress { get; } = address;

    /// <summary>Set right after construction.</summary>
    public Peer Peer { get; set; } = null!;

    /// <summary>When it was opened, or something authentic of it was heard last.</summary>
    public long HeardMs { get; set; } = nowMs;

    /// <summary>Something authentic was heard of it, in this process or an earlier one.</summary>
    public bool WasHeard { get; set; }

    public bool HasPaid => _payment.HasPaid;

    /// <summary>Since when it is suspended; 0 = it is not.</summary>
    public long SuspendedMs { get; private set; }

    /// <summary>Nothing is carried for it until it pays. Read on the packet path.</summary>
    public bool IsSuspended => _isSuspended;

    /// <summary>Charges what was carried since the last time, notes that the client lives, and sees whether it pays.</summary>
    /// <returns>Whether <see cref="IsSuspended"/> changed.</returns>
    public bool Settle(bool isConnected, long nowMs)
    {
        long received = Peer.RxBytes;
        if (received != _heardBytes)
        {
            _heardBytes = received;
            HeardMs = nowMs;
            WasHeard = true;
        }

        long total = received + Peer.TxBytes;
        Account.Add((int)Math.Min(total - _accountedBytes, int.MaxValue));
        _accountedBytes += Math.Min(total - _accountedBytes, int.MaxValue);

        bool suspend = !_payment.MayGoOn(Account, isConnected, nowMs);
        if (suspend == _isSuspended)
        {
            return false;
        }

        _isSuspended = suspend;
        SuspendedMs = suspend ? nowMs : 0;
        return true;
    }
}

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// Whether a device that uses the relay outside of its sessions (exit, TURN) may go on. The same terms as inside: a
/// ticket within 20 s of the beginning, and within 20 s of being asked when too much is unpaid. A device without a
/// session cannot be asked, so it ends where its grace ends. One caller at a time.
/// </summary>
internal struct PaymentGate
{
    private long _askedMs;

    /// <summary>Begins the first period.</summary>
    /// <param name="nowMs">Unix milliseconds.</param>
    /// <param name="hasPaid">A ticket of the device was accepted before.</param>
    public PaymentGate(long nowMs, bool hasPaid)
    {
        _askedMs = nowMs;
        HasPaid = hasPaid;
    }

    /// <summary>A ticket of the device was accepted at some time.</summary>
    public bool HasPaid { get; private set; }

    /// <summary>Looks at the account; several times a minute or more.</summary>
    public bool MayGoOn(DeviceAccount account, bool isConnected, long nowMs)
    {
        HasPaid |= account.LastAcceptedMs != 0;
        long unpaid = account.Unpaid;
        if (HasPaid && unpaid <= AccountingRules.RequestThreshold)
        {
            _askedMs = 0;
            return true;
        }

        if (_askedMs == 0)
        {
            // The session of the device asks at the same threshold.
            _askedMs = nowMs;
        }

        return nowMs - _askedMs < AccountingRules.DeadlineMs && (isConnected || unpaid <= AccountingRules.GraceBytes);
    }
}

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// The bytes one device used in this and the previous epoch, shared by all its sessions, and how much of it is paid.
/// Thread-safe; <see cref="Add"/> is the only call on the packet path and takes no lock.
/// </summary>
internal sealed class DeviceAccount(Address device, ulong epoch)
{
    // Real relays look at most once an hour; one device uses a fleet or two.
    private const int MaxFleetChecks = 16;
    private const long FleetCheckMs = 3600 * 1000;

    private readonly Lock _gate = new();
    private Dictionary<(ulong ChainId, Address Fleet), long>? _fleetChecks;
    private ulong _epoch = epoch;
    private long _usage;
    private long _previousUsage;
    private long _paid;
    private long _lastAcceptedMs;

    public Address Device { get; } = device;

    /// <summary>Held while a ticket of the device is compared and stored.</summary>
    public Lock TicketGate { get; } = new();

    /// <summary>Bytes used in the current epoch.</summary>
    public long Usage => Interlocked.Read(ref _usage);

    /// <summary>Bytes used and not covered by the ticket of the current epoch; negative when paid ahead.</summary>
    public long Unpaid => Usage - Interlocked.Read(ref _paid);

    /// <summary>When a ticket of this device was accepted last, unix milliseconds; 0 = never.</summary>
    public long LastAcceptedMs => Interlocked.Read(ref _lastAcceptedMs);

    /// <summary>Sessions of the device that are connected; maintained by the directory.</summary>
    public int Sessions { get; set; }

    public void Add(int bytes)
    {
        Interlocked.Add(ref _usage, bytes);
    }

    /// <summary>Bytes used in an epoch; 0 for one that is not kept.</summary>
    public ulong GetUsage(ulong epoch)
    {
        lock (_gate)
        {
            return epoch == _epoch ? (ulong)Math.Max(Usage, 0)
                : epoch + 1 == _epoch ? (ulong)_previousUsage
                : 0;
        }
    }

    /// <summary>Starts a new epoch with an empty counter.</summary>
    public void Roll(ulong epoch)
    {
        lock (_gate)
        {
            if (epoch == _epoch)
            {
                return;
            }

            long old = Interlocked.Exchange(ref _usage, 0);
            _previousUsage = epoch == _epoch + 1 ? old : 0;
            _epoch = epoch;
            Interlocked.Exchange(ref _paid, 0);
        }
    }

    /// <summary>Overwrites the counter: protocol 1000 starts its sessions at what was paid.</summary>
    public void ResetUsage(ulong usage)
    {
        Interlocked.Exchange(ref _usage, (long)usage);
    }

    /// <summary>Continues after a restart of the relay.</summary>
    /// <param name="paid">Bytes paid in this epoch.</param>
    /// <param name="used">Bytes used; null where nobody knows: then all that was paid is.</param>
    public void Restore(ulong paid, ulong? used)
    {
        Interlocked.Exchange(ref _usage, (long)(used ?? paid));
        Interlocked.Exchange(ref _paid, (long)paid);
    }

    /// <summary>Notes an accepted ticket.</summary>
    /// <param name="paid">Bytes covered in the current epoch.</param>
    /// <param name="nowMs">Unix milliseconds.</param>
    public void Accept(ulong paid, long nowMs)
    {
        Interlocked.Exchange(ref _paid, (long)paid);
        Interlocked.Exchange(ref _lastAcceptedMs, nowMs);
    }

    /// <summary>Whether the fleet of an accepted ticket is to be looked up: once an hour for each chain and fleet.</summary>
    public bool TryBeginFleetCheck(ulong chainId, Address fleet, long nowMs)
    {
        lock (_gate)
        {
            _fleetChecks ??= [];
            if (_fleetChecks.TryGetValue((chainId, fleet), out long last) && nowMs - last < FleetCheckMs)
            {
                return false;
            }

            if (_fleetChecks.Count >= MaxFleetChecks)
            {
                _fleetChecks = _fleetChecks.Where(check => nowMs - check.Value < FleetCheckMs)
                    .ToDictionary(check => check.Key, check => check.Value);
            }

            return _fleetChecks.Count < MaxFleetChecks && SetLocked();
        }

        bool SetLocked()
        {
            _fleetChecks[(chainId, fleet)] = nowMs;
            return true;
        }
    }
}

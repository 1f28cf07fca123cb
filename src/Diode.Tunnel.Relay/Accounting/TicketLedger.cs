using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// Judges tickets by the rules of diode-objects §4.6 (<c>ticket_submission.ex</c>, <c>ticketstore.ex</c>) and keeps
/// what every device used. Thread-safe.
/// </summary>
internal sealed class TicketLedger
{
    private const long PurgeIntervalMs = 3600 * 1000;

    // The chain whose ticket counts as payment of the current epoch, first match wins: L1, Moonbeam, Sapphire, Base.
    private static readonly ulong[] PayingChains = [AccountingRules.DiodeChainId, 1284, 23294, 8453];

    private readonly PrivateKey _key;
    private readonly IChainClock _chain;
    private readonly ITicketStore _store;
    private readonly int _maxDevices;
    private readonly ConcurrentDictionary<Address, DeviceAccount> _accounts = new();
    private readonly Lock _accountGate = new();
    private ulong _epoch;
    private long _nextPurgeMs;
    private UInt128 _totalScore;

    public TicketLedger(PrivateKey key, IChainClock chain, ITicketStore store, int maxDevices)
    {
        _key = key;
        _chain = chain;
        _store = store;
        _maxDevices = maxDevices;
    }

    /// <summary>Sum of the scores of tickets accepted in this epoch, for the server object.</summary>
    public ulong TotalScore
    {
        get
        {
            lock (_accountGate)
            {
                return _totalScore > ulong.MaxValue ? ulong.MaxValue : (ulong)_totalScore;
            }
        }
    }

    /// <summary>
    /// Hears of every accepted ticket, under the lock of its account: must not block. Set once, before the first session.
    /// </summary>
    public Action<Address, Ticket>? Accepted { get; set; }

    /// <summary>Devices whose usage is kept.</summary>
    public int AccountCount => _accounts.Count;

    /// <summary>The account of a device that connects; false when too many devices are known.</summary>
    public bool TryOpenAccount(Address device, long nowMs, [NotNullWhen(true)] out DeviceAccount? account)
    {
        lock (_accountGate)
        {
            if (!_accounts.TryGetValue(device, out account))
            {
                if (_accounts.Count >= _maxDevices)
                {
                    return false;
                }

                account = new DeviceAccount(device, AccountingRules.GetWallEpoch(nowMs));
                RestoreLocked(account, nowMs);
                _accounts[device] = account;
            }

            account.Sessions++;
            return true;
        }
    }

    /// <summary>A session of the device is gone; usage and tickets stay.</summary>
    public void CloseAccount(DeviceAccount account)
    {
        lock (_accountGate)
        {
            account.Sessions--;
        }
    }

    /// <summary>Hands what devices have used to the store, for the next start: what they paid ahead stays theirs. The last call.</summary>
    public void SaveUsage(long nowMs)
    {
        ulong epoch = AccountingRules.GetWallEpoch(nowMs);
        _store.PutUsage(epoch, _accounts.Select(account => (account.Key, account.Value.GetUsage(epoch))));
    }

    /// <summary>The newest ticket of a device, the one that others are shown.</summary>
    public Ticket? Find(Address device)
    {
        Ticket? newest = null;
        foreach (Ticket ticket in _store.FindAll(device))
        {
            // Stored in the order of acceptance: of equal ages the later one counts.
            newest = newest is null || ticket.NodeAge >= newest.NodeAge ? ticket : newest;
        }

        return newest;
    }

    /// <summary>Whether tickets of a chain can be judged.</summary>
    public bool IsKnownChain(ulong chainId) => _chain.IsKnown(chainId);

    /// <summary>The current epoch of a known chain.</summary>
    public ulong GetEpoch(ulong chainId, long nowMs) => _chain.GetEpoch(chainId, nowMs);

    /// <summary>The stored tickets of a chain and epoch.</summary>
    public List<Ticket> FindEpoch(ulong chainId, ulong epoch)
    {
        return [.. _store.FindAll().Where(ticket => GetChainId(ticket) == chainId && ticket.Epoch == epoch)];
    }

    /// <summary>Who signed a ticket, for transports that have not proven it.</summary>
    public bool TryRecoverDevice(in TicketSubmission submission, Hash256? blockHash, out Address device)
    {
        device = default;
        return TryCreate(submission, blockHash, out Ticket? ticket)
            && Signature65.TryFromBytes(submission.Signature, out Signature65 signature)
            && (ticket with { DeviceSignature = signature }).TryRecoverDevice(out device);
    }

    /// <summary>Judges a ticket of the device and stores it if it is good.</summary>
    /// <param name="account">The device, as the TLS handshake proved it.</param>
    /// <param name="submission">The ticket.</param>
    /// <param name="blockHash">Version 1: hash of the block, if the caller knows it.</param>
    /// <param name="resetsUsage">Protocol 1000 without a ticket so far: the counter starts at what is paid.</param>
    /// <param name="nowMs">Unix milliseconds.</param>
    public TicketVerdict Judge(
        DeviceAccount account, in TicketSubmission submission, Hash256? blockHash, bool resetsUsage, long nowMs)
    {
        if (!_chain.IsKnown(submission.ChainId))
        {
            return TicketVerdict.Refuse(submission.IsVersion2 ? "unknown chain"u8 : "block not found"u8);
        }

        ulong current = _chain.GetEpoch(submission.ChainId, nowMs);
        ulong epoch = submission.IsVersion2
            ? submission.EpochOrBlock
            : submission.EpochOrBlock / EdgeLimits.EpochBlocks;
        if (epoch < current && current - epoch > 1)
        {
            return TicketVerdict.Refuse("epoch number too low"u8);
        }

        if (epoch > current)
        {
            return TicketVerdict.Refuse("epoch number too high"u8);
        }

        if (submission.Bytes > EdgeLimits.MaxTicketBytes)
        {
            return TicketVerdict.Refuse("too many bytes"u8);
        }

        if (submission.Connections > EdgeLimits.MaxTicketConnections)
        {
            return TicketVerdict.Refuse("too many connections"u8);
        }

        if (submission.LocalAddress.Length > EdgeLimits.MaxLocalAddress)
        {
            return TicketVerdict.Refuse("local address too long"u8);
        }

        if (!TryCreate(submission, blockHash, out Ticket? ticket))
        {
            return TicketVerdict.Refuse("block not found"u8);
        }

        // A real relay ignores the recovery id and then files the ticket under a wrong address; ours insists on it.
        if (!Signature65.TryFromBytes(submission.Signature, out Signature65 signature)
            || !(ticket = ticket with { DeviceSignature = signature }).TryRecoverDevice(out Address signer)
            || signer != account.Device)
        {
            return TicketVerdict.Refuse("signature mismatch"u8);
        }

        lock (account.TicketGate)
        {
            return Store(account, ticket, current, resetsUsage, nowMs);
        }
    }

    /// <summary>The turn of the epoch, and forgetting what is over.</summary>
    public void Tick(long nowMs)
    {
        ulong epoch = AccountingRules.GetWallEpoch(nowMs);
        if (epoch != _epoch)
        {
            if (_epoch != 0)
            {
                lock (_accountGate)
                {
                    _totalScore = 0;
                }
            }

            _epoch = epoch;
            foreach (DeviceAccount account in _accounts.Values)
            {
                account.Roll(epoch);
            }
        }

        if (nowMs >= _nextPurgeMs)
        {
            _nextPurgeMs = nowMs + PurgeIntervalMs;
            Purge(nowMs);
        }
    }

    // A store on disk remembers tickets of devices that this process has not seen yet.
    private void RestoreLocked(DeviceAccount account, long nowMs)
    {
        account.Restore(FindPaid(account.Device, nowMs), _store.TakeUsage(account.Device, AccountingRules.GetWallEpoch(nowMs)));
        foreach (Ticket ticket in _store.FindAll(account.Device))
        {
            _totalScore += ticket.Epoch == _chain.GetEpoch(GetChainId(ticket), nowMs) ? ticket.Score : 0;
        }
    }

    private TicketVerdict Store(
        DeviceAccount account, Ticket ticket, ulong current, bool resetsUsage, long nowMs)
    {
        Ticket? last = _store.Find(account.Device, ticket.Fleet, ticket.Epoch);
        if (resetsUsage)
        {
            account.ResetUsage(last?.TotalBytes ?? 0);
        }

        ulong usage = Math.Max(
            last?.TotalBytes ?? 0, Math.Max(account.GetUsage(ticket.Epoch), account.GetUsage(current)));
        ulong paid = ticket.TotalBytes;
        if (last is not null)
        {
            if (ticket.TotalBytes > usage && ticket.TotalBytes - usage > EdgeLimits.MaxTicketJump)
            {
                return TicketVerdict.TooBigJump(Math.Max(current, 1) - 1);
            }

            if (ticket.Score <= last.Score || ticket.TotalBytes < usage)
            {
                return TicketVerdict.TooLow(last);
            }

            paid = ticket.TotalBytes - usage;
        }
        else if (_store.FindAll(account.Device).Count >= AccountingRules.MaxTicketsPerDevice)
        {
            return TicketVerdict.Refuse("too many fleets"u8);
        }

        Ticket accepted = ticket.Countersign(_key);
        _store.Put(account.Device, accepted);
        Accepted?.Invoke(account.Device, accepted);
        account.Accept(FindPaid(account.Device, nowMs), nowMs);
        lock (_accountGate)
        {
            _totalScore += ticket.Score - (last?.Score ?? 0);
        }

        return TicketVerdict.Accept(paid);
    }

    private bool TryCreate(
        in TicketSubmission submission, Hash256? blockHash, [NotNullWhen(true)] out Ticket? ticket)
    {
        if (submission.IsVersion2)
        {
            ticket = new TicketV2
            {
                ChainId = submission.ChainId,
                EpochNumber = submission.EpochOrBlock,
                Fleet = submission.Fleet,
                Server = _key.Address,
                TotalConnections = submission.Connections,
                TotalBytes = submission.Bytes,
                LocalAddress = submission.LocalAddress.ToArray(),
            };
            return true;
        }

        Hash256 hash = blockHash ?? default;
        if (blockHash is null && !_chain.TryGetBlockHash(submission.ChainId, submission.EpochOrBlock, out hash))
        {
            ticket = null;
            return false;
        }

        ticket = new TicketV1
        {
            BlockNumber = submission.EpochOrBlock,
            BlockHash = hash,
            Fleet = submission.Fleet,
            Server = _key.Address,
            TotalConnections = submission.Connections,
            TotalBytes = submission.Bytes,
            LocalAddress = submission.LocalAddress.ToArray(),
        };
        return true;
    }

    private ulong FindPaid(Address device, long nowMs)
    {
        IReadOnlyList<Ticket> tickets = _store.FindAll(device);
        foreach (ulong chainId in PayingChains)
        {
            ulong paid = 0;
            bool found = false;
            foreach (Ticket ticket in tickets)
            {
                if (GetChainId(ticket) == chainId && ticket.Epoch == _chain.GetEpoch(chainId, nowMs))
                {
                    found = true;
                    paid = Math.Max(paid, ticket.TotalBytes);
                }
            }

            if (found)
            {
                return paid;
            }
        }

        return 0;
    }

    private void Purge(long nowMs)
    {
        _store.RemoveWhere(ticket => ticket.Epoch + 1 < _chain.GetEpoch(GetChainId(ticket), nowMs));
        lock (_accountGate)
        {
            ulong epoch = AccountingRules.GetWallEpoch(nowMs);
            foreach ((Address device, DeviceAccount account) in _accounts)
            {
                if (account.Sessions == 0
                    && account.GetUsage(epoch) == 0
                    && (epoch == 0 || account.GetUsage(epoch - 1) == 0)
                    && _store.FindAll(device).Count == 0)
                {
                    _accounts.TryRemove(device, out _);
                }
            }
        }
    }

    private static ulong GetChainId(Ticket ticket)
    {
        return ticket is TicketV2 second ? second.ChainId : AccountingRules.DiodeChainId;
    }
}

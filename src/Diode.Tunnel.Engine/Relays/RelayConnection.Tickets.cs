using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <content>
/// Tickets: a signature takes about a millisecond, so it is made on the thread pool, outside the lock; the packet path only counts.
/// </content>
internal sealed partial class RelayConnection : IRelaySession
{
    private static readonly TimeSpan SigningTimeout = TimeSpan.FromSeconds(5);

    private int _signing;
    private string? _lastRefusal;

    /// <inheritdoc/>
    public int PortCount
    {
        get
        {
            lock (_gate)
            {
                return _ports.Count;
            }
        }
    }

    /// <inheritdoc/>
    public TicketStatus GetTicketStatus()
    {
        lock (_gate)
        {
            return _session.GetTicketStatus();
        }
    }

    /// <inheritdoc/>
    public void SetTicketBudget(ulong? bytes)
    {
        lock (_gate)
        {
            _session.SetTicketBudget(bytes);
        }

        Flush();
    }

    /// <inheritdoc/>
    public void SetRelays(Address? primary, Address? secondary)
    {
        lock (_gate)
        {
            _session.SetRelays(primary, secondary);
        }
    }

    /// <inheritdoc/>
    public void AskUnpaidBytes()
    {
        lock (_gate)
        {
            if (IsReady)
            {
                _session.AskUnpaidBytes();
            }
        }

        Flush();
    }

    /// <inheritdoc/>
    public bool GetNode(Address node, Action<RelayReply> done)
    {
        lock (_gate)
        {
            uint id = IsReady ? _session.GetNode(node) : 0;
            if (id == 0)
            {
                return false;
            }

            _requests[id] = done;
        }

        Flush();
        return true;
    }

    void IEdgeClientEvents.OnTicketDue()
    {
        Interlocked.Increment(ref _signing);
        ThreadPool.UnsafeQueueUserWorkItem(static relay => relay.SignTicket(), this, preferLocal: false);
    }

    void IEdgeClientEvents.OnNotify(string level, string code, string text)
    {
        Log.RelayNotice(_logger, Uri.ToString(), level, code, text);
    }

    private void SignTicket()
    {
        try
        {
            Ticket? ticket;
            lock (_gate)
            {
                ticket = IsClosed ? null : _session.MakeTicket(_time.GetUtcNow().ToUnixTimeMilliseconds());
            }

            if (ticket?.Sign(_options.Keys) is { } signed)
            {
                lock (_gate)
                {
                    if (!IsClosed)
                    {
                        _session.SubmitTicket(signed);
                    }
                }

                Flush();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _signing);
        }
    }

    /// <summary>The key must not go while it signs.</summary>
    private void WaitForSigning()
    {
        SpinWait.SpinUntil(() => Volatile.Read(ref _signing) == 0, SigningTimeout);
    }
}

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>
/// What all sessions from one address may ask for together: commands that cost signature work or reach others. Far above
/// what thousands of honest devices behind one address need. Thread-safe.
/// </summary>
internal sealed class AddressBudget
{
    private readonly Lock _gate = new();
    private TokenBucket _tickets = new(20_000, 500);
    private TokenBucket _opens = new(20_000, 2000);
    private TokenBucket _messages = new(10_000, 1000);

    /// <summary>A ticket or channel whose signature is to be checked.</summary>
    public bool TryTakeTicket(long nowMs)
    {
        lock (_gate)
        {
            return _tickets.TryTake(nowMs);
        }
    }

    /// <summary>A port to be opened.</summary>
    public bool TryTakeOpen(long nowMs)
    {
        lock (_gate)
        {
            return _opens.TryTake(nowMs);
        }
    }

    /// <summary>A message to be delivered.</summary>
    public bool TryTakeMessage(long nowMs)
    {
        lock (_gate)
        {
            return _messages.TryTake(nowMs);
        }
    }
}

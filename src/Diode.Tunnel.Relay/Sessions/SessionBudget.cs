namespace Diode.Tunnel.Relay.Sessions;

/// <summary>
/// How often one session may ask for what costs more than an answer, within the budget of its address. Used by the
/// session's thread only.
/// </summary>
internal struct SessionBudget(AddressBudget address)
{
    // A ticket costs most of a millisecond of signature work; clients need a handful at the start and then one per
    // 31 MB or 8 hours. A channel costs the same.
    private TokenBucket _tickets = new(64, 8);
    private TokenBucket _channels = new(32, 1);

    // A gateway opens a port per connection of its users.
    private TokenBucket _opens = new(4096, 500);
    private TokenBucket _messages = new(256, 100);

    public bool TryTakeTicket(long nowMs)
    {
        return _tickets.TryTake(nowMs) && address.TryTakeTicket(nowMs);
    }

    public bool TryTakeChannel(long nowMs)
    {
        return _channels.TryTake(nowMs) && address.TryTakeTicket(nowMs);
    }

    public bool TryTakeOpen(long nowMs)
    {
        return _opens.TryTake(nowMs) && address.TryTakeOpen(nowMs);
    }

    public bool TryTakeMessage(long nowMs)
    {
        return _messages.TryTake(nowMs) && address.TryTakeMessage(nowMs);
    }
}

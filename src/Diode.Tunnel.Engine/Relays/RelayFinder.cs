using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// Where to open a port at a device that is in none of our fleets, so that nobody watches it: its ticket says at which relays it is to
/// be met, and these are connected to. Fleet members have <see cref="PeerMesh"/> for that. Any thread; what is shared lives on the loop.
/// </summary>
internal sealed class RelayFinder(RelayPool relays, EngineLoop loop, TimeProvider time)
{
    /// <summary>Devices whose ticket is remembered.</summary>
    private const int MaxRemembered = 256;

    /// <summary>A device that moves is found again after this time; a ticket is read once for a page full of connections.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectPoll = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<Address, Hints> _hints = [];

    /// <summary>The connected relays in the order to try the device at; empty without any relay.</summary>
    public async Task<RelayConnection[]> FindAsync(Address device, CancellationToken cancellation)
    {
        Hints hints = await loop.InvokeAsync(() => Ask(device), cancellation).ConfigureAwait(false);
        await hints.Answered.WaitAsync(cancellation).ConfigureAwait(false);
        long start = time.GetTimestamp();
        while (true)
        {
            (RelayConnection[] found, bool isComing) = await loop.InvokeAsync(() => Arrange(hints), cancellation).ConfigureAwait(false);
            if (!isComing || time.GetElapsedTime(start) > ConnectTimeout)
            {
                return found;
            }

            await Task.Delay(ConnectPoll, time, cancellation).ConfigureAwait(false);
        }
    }

    private Hints Ask(Address device)
    {
        long now = time.GetTimestamp();
        if (_hints.TryGetValue(device, out Hints? known) && time.GetElapsedTime(known.Asked, now) < Fresh)
        {
            return known;
        }

        if (known is null && _hints.Count >= MaxRemembered)
        {
            _hints.Remove(_hints.MinBy(static pair => pair.Value.Asked).Key);
        }

        var hints = new Hints(now, time) { Relays = known?.Relays ?? [] };
        _hints[device] = hints;
        foreach (RelayConnection relay in relays.Ready.ToArray())
        {
            hints.Outstanding++;
            if (!relay.GetObject(device, reply => loop.TryPost(() => hints.Take(device, reply))))
            {
                hints.Outstanding--;
            }
        }

        hints.EndIfComplete();
        return hints;
    }

    private (RelayConnection[] Found, bool IsComing) Arrange(Hints hints)
    {
        bool isThere = false;
        bool isComing = false;
        foreach (Address relay in hints.Relays)
        {
            bool isReady = relays.Need(relay);
            isThere |= isReady;
            isComing |= !isReady && relays.WhyNot(relay) is null;
        }

        RelayConnection[] found = [.. RelayOrder.Arrange(relays.Ready, static r => r.Uri.Address, hints.Relays, null)];
        return (found, isComing && !isThere);
    }

    /// <summary>What relays said of one device. Changed on the loop.</summary>
    private sealed class Hints(long asked, TimeProvider time)
    {
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private ulong _created;

        public long Asked => asked;

        public int Outstanding { get; set; }

        public IReadOnlyList<Address> Relays { get; set; } = [];

        /// <summary>Ends with the last answer, or when one is missing for too long: then what is known counts.</summary>
        public Task Answered => Task.WhenAny(_answered.Task, Task.Delay(AnswerTimeout, time));

        public void Take(Address device, RelayReply reply)
        {
            Outstanding--;
            if (PeerTicket.TryRead(device, reply, out PeerTicket? ticket, out _) && ticket.Created >= _created)
            {
                _created = ticket.Created;
                Relays = ticket.Relays;
            }

            EndIfComplete();
        }

        public void EndIfComplete()
        {
            if (Outstanding <= 0)
            {
                _answered.TrySetResult();
            }
        }
    }
}

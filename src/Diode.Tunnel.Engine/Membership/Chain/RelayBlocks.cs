using Diode.Tunnel.Engine.Relays;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// The new blocks of a chain as a relay tells them (<c>PREFIX:subscribe</c>, diode-edge §3.13): as long as it does, nobody has to ask. A
/// relay that holds them back hides no more than one that answers with an old number, and takes as many accomplices. Thread-safe.
/// </summary>
/// <param name="relay">The session.</param>
/// <param name="prefix">Prefix of the chain.</param>
/// <param name="chainId">Its id.</param>
/// <param name="heard">Told about each block; from any thread.</param>
/// <param name="time">The clock.</param>
internal sealed class RelayBlocks(IChainRelay relay, string prefix, ulong chainId, Action heard, TimeProvider time)
{
    /// <summary>Blocks faster than this cost less to ask for every four seconds than to be told each, with its header.</summary>
    public static readonly TimeSpan FastestTold = TimeSpan.FromSeconds(8);

    // Slow chains take this long for a block; a relay that is silent longer is asked.
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private bool _asked;
    private bool _told;
    private ulong _newest;
    private long _at;

    /// <summary>The newest block, if it was told or confirmed within a minute. The first look subscribes.</summary>
    public ulong? Newest
    {
        get
        {
            lock (_gate)
            {
                if (_asked)
                {
                    return _told && time.GetElapsedTime(_at) < Silence ? _newest : null;
                }

                _asked = true;
            }

            bool isAsked = relay.SubscribeBlocks(prefix, chainId, Take);
            lock (_gate)
            {
                _asked = isAsked;
            }

            return null;
        }
    }

    /// <summary>The relay was asked, because it had been silent. If it has kept something back, it is asked from now on.</summary>
    public void Confirm(ulong number)
    {
        lock (_gate)
        {
            _told &= number == _newest;
            _at = time.GetTimestamp();
        }
    }

    private void Take(ulong? number)
    {
        lock (_gate)
        {
            (_asked, _told) = (number is not null, number is not null);
            _newest = number ?? 0;
            _at = time.GetTimestamp();
        }

        heard();
    }
}

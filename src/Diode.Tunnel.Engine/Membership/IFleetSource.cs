using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// Says who is in one fleet: a manifest today, a contract or a name on a chain alike. Only verified answers become
/// <see cref="Current"/>; a source that can't reach its origin keeps the last one.
/// </summary>
public interface IFleetSource
{
    /// <summary>The fleet.</summary>
    Address Fleet { get; }

    /// <summary>The last verified snapshot, or null before the first. Safe to read from any thread; one reference read.</summary>
    FleetSnapshot? Current { get; }

    /// <summary>Asks the origin again.</summary>
    /// <param name="now">The time, for expiry.</param>
    /// <param name="cancellationToken">Ends the wait; <see cref="Current"/> stays.</param>
    /// <returns>Whether <see cref="Current"/> changed. One call at a time.</returns>
    ValueTask<bool> RefreshAsync(DateTimeOffset now, CancellationToken cancellationToken);
}

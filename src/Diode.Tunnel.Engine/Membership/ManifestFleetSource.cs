using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>A fleet whose manifest the <see cref="ManifestStore"/> holds.</summary>
public sealed class ManifestFleetSource(ManifestStore store, Address fleet) : IFleetSource
{
    private FleetManifest? _manifest;
    private FleetSnapshot? _current;

    /// <inheritdoc/>
    public Address Fleet => fleet;

    /// <inheritdoc/>
    public FleetSnapshot? Current => Volatile.Read(ref _current);

    /// <inheritdoc/>
    public ValueTask<bool> RefreshAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        FleetManifest? held = store.Find(fleet);
        if (ReferenceEquals(held, _manifest))
        {
            return ValueTask.FromResult(false);
        }

        _manifest = held;
        Volatile.Write(ref _current, held is null ? null : FleetSnapshot.FromManifest(held));
        return ValueTask.FromResult(true);
    }
}

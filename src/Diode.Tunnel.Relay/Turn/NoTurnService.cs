using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>A relay without TURN.</summary>
internal sealed class NoTurnService : ITurnService
{
    public static NoTurnService Instance { get; } = new();

    /// <inheritdoc/>
    public bool Enabled => false;

    /// <inheritdoc/>
    public TurnCredential? OpenCredential(Address device) => null;
}

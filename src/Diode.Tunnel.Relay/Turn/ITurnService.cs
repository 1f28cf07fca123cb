using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>The relay's TURN server (diode-node §10.2). Thread-safe.</summary>
internal interface ITurnService
{
    /// <summary>Whether it runs.</summary>
    bool Enabled { get; }

    /// <summary>
    /// The device's credential: the same until it expires. Null when it is not enabled, or too many are in use.
    /// </summary>
    TurnCredential? OpenCredential(Address device);
}

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>The relay's exit to the internet for plain WireGuard clients (diode-node §10.1). Thread-safe.</summary>
internal interface IWireGuardExit
{
    /// <summary>Whether it runs; otherwise every open ends in <see cref="WireGuardOpenError.NotEnabled"/>.</summary>
    bool Enabled { get; }

    /// <summary>
    /// Lets a device in with one WireGuard key. The same key again gives the same session; another key of the device
    /// replaces its first one.
    /// </summary>
    /// <param name="device">Who pays; proven by the caller.</param>
    /// <param name="key">Public key, 32 bytes.</param>
    /// <param name="error">Why the result is null.</param>
    WireGuardSessionInfo? Open(Address device, ReadOnlySpan<byte> key, out WireGuardOpenError error);

    /// <summary>Ends the device's session, if it has one.</summary>
    void Close(Address device);
}

using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>A relay that is no exit.</summary>
internal sealed class NoWireGuardExit : IWireGuardExit
{
    public static NoWireGuardExit Instance { get; } = new();

    /// <inheritdoc/>
    public bool Enabled => false;

    /// <inheritdoc/>
    public WireGuardSessionInfo? Open(Address device, ReadOnlySpan<byte> key, out WireGuardOpenError error)
    {
        error = WireGuardOpenError.NotEnabled;
        return null;
    }

    /// <inheritdoc/>
    public void Close(Address device)
    {
    }
}

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>Why a device is not let in.</summary>
internal enum WireGuardOpenError
{
    None,

    /// <summary>This relay is no exit.</summary>
    NotEnabled,

    /// <summary>Not a usable key, or the key of another device.</summary>
    InvalidKey,

    /// <summary>The exit is full, or the device opens too often.</summary>
    Failed,
}

/// <summary>Codes and texts of the Edge protocol (diode-edge §3.10).</summary>
internal static class WireGuardOpenErrors
{
    public static ulong Code(this WireGuardOpenError error) => error switch
    {
        WireGuardOpenError.NotEnabled => 503,
        WireGuardOpenError.InvalidKey => 400,
        _ => 500,
    };

    public static string Text(this WireGuardOpenError error) => error switch
    {
        WireGuardOpenError.NotEnabled => "wireguard not enabled",
        WireGuardOpenError.InvalidKey => "invalid public key",
        _ => "wireguard error",
    };
}

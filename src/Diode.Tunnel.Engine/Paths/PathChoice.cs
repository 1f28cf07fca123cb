namespace Diode.Tunnel.Engine.Paths;

/// <summary>Which ways to peers may be used.</summary>
public enum PathChoice
{
    /// <summary>The best that works.</summary>
    Auto,

    /// <summary>Relays only, by UDP or stream: peers do not learn this device's addresses.</summary>
    Relay,

    /// <summary>Only inside the sessions with relays: no UDP at all.</summary>
    Stream,
}

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>Outcome of address translation for one packet. The last three mean: drop and count.</summary>
public enum TranslationResult
{
    /// <summary>Addresses are right as they are.</summary>
    Unchanged,

    /// <summary>Addresses and checksums were rewritten.</summary>
    Translated,

    /// <summary>The source isn't an address of the device that sent the packet (spoofed, or from another interface).</summary>
    ForeignSource,

    /// <summary>The destination isn't an address of the device the packet was sent to.</summary>
    ForeignDestination,

    /// <summary>The device has no local IPv4 address on this machine.</summary>
    NoLocalAddress,
}

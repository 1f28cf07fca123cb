namespace Diode.Tunnel.Edge.Sessions;

/// <summary>Bounds of one relay-side session.</summary>
public sealed record EdgeServerOptions
{
    /// <summary>Bytes of frames that may wait for a peer before senders to it are stopped. Default 1 MiB.</summary>
    public int OutputLimit { get; init; } = 1024 * 1024;

    /// <summary>Bytes beyond <see cref="OutputLimit"/> for replies and port events. Default 256 KiB.</summary>
    public int ControlReserve { get; init; } = 256 * 1024;

    /// <summary>Largest payload after inflating, bytes. Default 128 KiB.</summary>
    public int MaxInflatedLength { get; init; } = 128 * 1024;
}

using System.Net;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Where the JSON-RPC interface and the metrics are served; nothing is unless asked for.</summary>
public sealed record RpcOptions
{
    /// <summary>HTTP endpoints; real relays use port 8545.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [];

    /// <summary>HTTPS endpoints; real relays use port 8443.</summary>
    public IReadOnlyList<IPEndPoint> SecureListen { get; init; } = [];

    /// <summary>Certificate chain for HTTPS, PEM.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>Private key of the certificate, PEM; null: it is in <see cref="CertificateFile"/>.</summary>
    public string? CertificateKeyFile { get; init; }

    /// <summary>HTTP endpoints for <c>/metrics</c> and <c>/healthz</c>.</summary>
    public IReadOnlyList<IPEndPoint> MetricsListen { get; init; } = [];

    /// <summary>Port at which other relays are asked by <c>dio_proxy</c>.</summary>
    public int ProxyPort { get; init; } = 8545;
}

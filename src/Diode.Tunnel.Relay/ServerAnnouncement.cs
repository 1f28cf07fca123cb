using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay;

/// <summary>What the relay says about itself, signed and renewed when it is older than ten seconds. Thread-safe.</summary>
internal sealed class ServerAnnouncement
{
    private const long FreshMs = 10_000;

    private readonly Lock _gate = new();
    private readonly PrivateKey _key;
    private readonly string _host;
    private readonly ushort _edgePort;
    private readonly string _name;
    private readonly long _startedMs;
    private readonly ushort _peerPort;
    private byte[] _encoded = [];
    private ServerObject? _server;
    private long _signedMs;
    private volatile string _features = "";

    /// <param name="key">Signs.</param>
    /// <param name="host">Name or address others reach this relay by.</param>
    /// <param name="edgePort">Port for devices.</param>
    /// <param name="version">Version of this software.</param>
    /// <param name="name">Name for people.</param>
    /// <param name="nowMs">When the relay started, unix milliseconds.</param>
    /// <param name="peerPort">Port for relays; 0 for none.</param>
    public ServerAnnouncement(
        PrivateKey key, string host, ushort edgePort, string version, string name, long nowMs, ushort peerPort = 0)
    {
        _key = key;
        _host = host;
        _edgePort = edgePort;
        Version = version;
        _name = name;
        _peerPort = peerPort;
        _startedMs = nowMs;
    }

    /// <summary>Version of this software.</summary>
    public string Version { get; }

    /// <summary>Name for people.</summary>
    public string Name => _name;

    /// <summary>When the relay started, unix milliseconds.</summary>
    public long StartedMs => _startedMs;

    /// <summary>Second answer to <c>version</c>.</summary>
    public string Description => Region is null ? $"diode-tunnel-{Version}" : $"diode-tunnel-{Version} region={Region}";

    /// <summary>Where the relay is. Not in the object: Go clients verify known keys only (diode-objects §5.2).</summary>
    public string? Region { get; init; }

    /// <summary>Comma-separated abilities.</summary>
    public string Features
    {
        get => _features;
        set
        {
            lock (_gate)
            {
                _features = value;
                _encoded = [];
            }
        }
    }

    /// <inheritdoc cref="GetObject"/>
    public ServerObject GetServer(ulong score, long nowMs)
    {
        lock (_gate)
        {
            _ = GetObject(score, nowMs);
            return _server!;
        }
    }

    /// <summary>The object as an encoded list.</summary>
    /// <param name="score">Sum of the ticket scores of this epoch.</param>
    /// <param name="nowMs">Unix milliseconds.</param>
    public byte[] GetObject(ulong score, long nowMs)
    {
        lock (_gate)
        {
            if (_encoded.Length == 0 || nowMs - _signedMs >= FreshMs)
            {
                _encoded = Sign(score, nowMs);
                _signedMs = nowMs;
            }

            return _encoded;
        }
    }

    // The keys of extra and their order are those of real relays: Go clients restore value types by a fixed key list
    // (diode-objects §5.2). No chain is followed, so "block", the age of the object, counts seconds.
    private byte[] Sign(ulong score, long nowMs)
    {
        ServerObject server = ServerObject.Create(
            _key,
            _host,
            _edgePort,
            _peerPort,
            Version,
            new("tickets", ServerValue.FromNumber(score)),
            new("uptime", ServerValue.FromNumber(Math.Max(nowMs - _startedMs, 0))),
            new("features", ServerValue.FromText(Features)),
            new("time", ServerValue.FromNumber(nowMs * (System.Numerics.BigInteger)1_000_000)),
            new("name", ServerValue.FromText(_name)),
            new("block", ServerValue.FromNumber(Math.Max(nowMs / 1000, 0))));
        var writer = new RlpWriter();
        server.WriteRlp(writer);
        _server = server;
        return writer.ToArray();
    }
}

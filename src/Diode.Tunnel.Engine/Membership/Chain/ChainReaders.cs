using System.Collections.Concurrent;
using System.Collections.Immutable;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// The chains that can be read, and by whom: the endpoints of the configuration, and where those are fewer than have to agree, this
/// device's own relays. Relays that peers name are never asked: who names them could be their owner. Thread-safe, but one thread at a
/// time may set the relays.
/// </summary>
internal sealed class ChainReaders : IDisposable
{
    private static readonly TimeSpan HttpTimeout = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RelayTimeout = TimeSpan.FromSeconds(6);

    private readonly int _quorum;
    private readonly EndpointStandings _standings;
    private readonly TimeProvider _time;
    private long _news;
    private readonly List<IDisposable> _owned = [];
    private readonly ImmutableArray<ChainAccess> _configured;
    private readonly Dictionary<ulong, ImmutableArray<ChainEndpoint>> _http = [];
    private readonly ConcurrentDictionary<ulong, ChainFleetReader> _readers = new();
    private readonly ConcurrentDictionary<(IChainRelay Relay, ulong ChainId), ChainEndpoint> _sessions = new();
    private ImmutableArray<IChainRelay> _relays = [];

    /// <summary>Creates them; nothing is asked yet.</summary>
    /// <param name="configured">Chains with endpoints of their own.</param>
    /// <param name="quorum">How many have to agree.</param>
    /// <param name="time">The clock.</param>
    /// <param name="doubted">Told when somebody was contradicted; from any thread.</param>
    public ChainReaders(IReadOnlyList<ChainAccess> configured, int quorum, TimeProvider time, Action<ChainEndpoint, string> doubted)
    {
        _configured = [.. configured];
        _quorum = quorum;
        _time = time;
        _standings = new EndpointStandings(time) { Doubted = doubted };
        foreach (ChainAccess access in configured)
        {
            _http[access.ChainId] = [.. access.Endpoints.Select(uri => Open(access, uri))];
        }
    }

    /// <summary>The chains that have endpoints of their own.</summary>
    public IReadOnlyList<ChainAccess> Configured => _configured;

    /// <summary>Changes with each new block that a relay tells.</summary>
    public long News => Interlocked.Read(ref _news);

    /// <summary>The relays to ask from now on; of several at one address the first counts.</summary>
    public void SetRelays(IEnumerable<IChainRelay> relays)
    {
        ImmutableArray<IChainRelay> now = [.. relays.DistinctBy(static r => r.Endpoint?.Address)];
        if (!now.SequenceEqual(_relays))
        {
            ImmutableInterlocked.InterlockedExchange(ref _relays, now);
            foreach ((IChainRelay Relay, ulong ChainId) session in _sessions.Keys)
            {
                if (!now.Contains(session.Relay))
                {
                    _sessions.TryRemove(session, out ChainEndpoint? _);
                }
            }
        }
    }

    /// <summary>This device's own relays that are connected, one for each address.</summary>
    public IReadOnlyList<IChainRelay> Relays => _relays;

    /// <summary>A chain by prefix or number, configured or not; null for an unknown word.</summary>
    public ChainAccess? Find(string text) => !ChainAccess.TryFind(text, out string? prefix, out ulong chainId)
        ? null
        : _configured.FirstOrDefault(c => c.ChainId == chainId) ?? new ChainAccess(prefix, chainId, []);

    /// <summary>What reads the fleets of a chain.</summary>
    public ChainFleetReader ReaderOf(ChainAccess chain) => _readers.GetOrAdd(
        chain.ChainId, _ => new ChainFleetReader(() => EndpointsOf(chain), _quorum, _standings));

    /// <summary>Who can be asked about a chain now.</summary>
    public IReadOnlyList<ChainEndpoint> EndpointsOf(ChainAccess chain)
    {
        ImmutableArray<ChainEndpoint> own = _http.GetValueOrDefault(chain.ChainId, []);
        return own.Length >= _quorum
            ? own
            : [.. own, .. _relays.Select(relay => _sessions.GetOrAdd((relay, chain.ChainId), _ => Open(chain, relay)))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }
    }

    private ChainEndpoint Open(ChainAccess chain, Uri uri)
    {
        HttpJsonRpcTransport transport = new(uri, HttpTimeout);
        JsonRpcClient client = new(chain.ChainId, [transport]);
        _owned.AddRange([client, transport]);
        return new ChainEndpoint(transport.Name, new EvmClient(client, namesOwnBlocks: !chain.IsOasis));
    }

    // The client holds nothing that must be given back; it goes with the session.
    private ChainEndpoint Open(ChainAccess chain, IChainRelay relay)
    {
        RelayRpcTransport transport = new(relay, chain.Prefix, RelayTimeout);
        return new ChainEndpoint(transport.Name, new EvmClient(
            new JsonRpcClient(chain.ChainId, [transport]), RelayRpcTransport.PageSize, namesOwnBlocks: !chain.IsOasis))
        {
            Relay = relay.Relay,
            SlotsPerProof = RelayRpcTransport.SlotsPerProof,
            Blocks = chain.BlockTime >= RelayBlocks.FastestTold
                ? new RelayBlocks(relay, chain.Prefix, chain.ChainId, () => Interlocked.Increment(ref _news), _time)
                : null,
        };
    }
}

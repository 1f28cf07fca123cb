using System.Collections.Concurrent;
using System.Collections.Immutable;
using Diode.Tunnel.Engine.Membership.DiodeL1;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// The chains that can be read, and by whom: the endpoints of the configuration, and where those are fewer than have to agree, this
/// device's own relays. Fleets of Diode L1 are always read through relays, of which one is enough: what they tell is proven. Relays that
/// peers name are never asked: who names them could be their owner. Thread-safe, but one thread at a time may set the relays.
/// </summary>
internal sealed class ChainReaders : IDisposable
{
    private const string DiodePrefix = "diode";

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
    private readonly ConcurrentDictionary<IChainRelay, DiodeRelay> _diodeRelays = new();
    private readonly ChainAccess _diode;
    private readonly DiodeFleetReader? _diodeReader;
    private ImmutableArray<IChainRelay> _allRelays = [];
    private ImmutableArray<IChainRelay> _relays = [];
    private IReadOnlyCollection<Address> _known = [];

    /// <summary>Creates them; nothing is asked yet.</summary>
    /// <param name="configured">Chains with endpoints of their own.</param>
    /// <param name="quorum">How many have to agree.</param>
    /// <param name="time">The clock.</param>
    /// <param name="doubted">Told when somebody was contradicted; from any thread.</param>
    /// <param name="diode">How Diode L1 is followed; null: not at all.</param>
    public ChainReaders(
        IReadOnlyList<ChainAccess> configured, int quorum, TimeProvider time, Action<ChainEndpoint, string> doubted, DiodeFollowing? diode = null)
    {
        _configured = [.. configured];
        _quorum = quorum;
        _time = time;
        _standings = new EndpointStandings(time) { Doubted = doubted };
        foreach (ChainAccess access in configured)
        {
            _http[access.ChainId] = [.. access.Endpoints.Select(uri => Open(access, uri))];
        }

        _diode = Find(DiodePrefix)!;
        if (diode is not null)
        {
            DiodeL1 = new DiodeChain(
                () => [.. _allRelays.Select(relay => _diodeRelays.GetOrAdd(relay, AskDiode))], _standings, diode, time);
            _diodeReader = new DiodeFleetReader(DiodeL1, _standings, () => Volatile.Read(ref _known), time);
        }
    }

    /// <summary>Diode L1, which is followed while somebody reads a fleet of it; null: not at all.</summary>
    public DiodeChain? DiodeL1 { get; }

    /// <summary>The chains that have endpoints of their own.</summary>
    public IReadOnlyList<ChainAccess> Configured => _configured;

    /// <summary>Changes with each new block that a relay tells.</summary>
    public long News => Interlocked.Read(ref _news);

    /// <summary>The relays to ask from now on; where they have to agree, of several at one address the first counts.</summary>
    public void SetRelays(IEnumerable<IChainRelay> relays)
    {
        ImmutableArray<IChainRelay> all = [.. relays];
        if (all.SequenceEqual(_allRelays))
        {
            return;
        }

        ImmutableInterlocked.InterlockedExchange(ref _allRelays, all);
        ImmutableInterlocked.InterlockedExchange(ref _relays, [.. all.DistinctBy(static r => r.Endpoint?.Address)]);
        foreach ((IChainRelay Relay, ulong ChainId) session in _sessions.Keys.Where(s => !all.Contains(s.Relay)))
        {
            _sessions.TryRemove(session, out ChainEndpoint? _);
        }

        foreach (IChainRelay gone in _diodeRelays.Keys.Where(r => !all.Contains(r)))
        {
            _diodeRelays.TryRemove(gone, out DiodeRelay? _);
        }
    }

    /// <summary>This device's own relays that are connected, one for each address.</summary>
    public IReadOnlyList<IChainRelay> Relays => _relays;

    /// <summary>Devices that a fleet without a list is asked about.</summary>
    public void SetKnown(IReadOnlyCollection<Address> devices) => Volatile.Write(ref _known, devices);

    /// <summary>A chain by prefix or number, configured or not; null for an unknown word.</summary>
    public ChainAccess? Find(string text) => !ChainAccess.TryFind(text, out string? prefix, out ulong chainId)
        ? null
        : _configured.FirstOrDefault(c => c.ChainId == chainId) ?? new ChainAccess(prefix, chainId, []);

    /// <summary>What reads the fleets of a chain.</summary>
    public IFleetReader FleetReaderOf(ChainAccess chain) =>
        chain.ChainId == _diode.ChainId && _diodeReader is not null ? _diodeReader : ReaderOf(chain);

    /// <summary>What calls contracts of a chain.</summary>
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
        DiodeL1?.Dispose();
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }
    }

    private DiodeRelay AskDiode(IChainRelay relay) =>
        new(relay, _sessions.GetOrAdd((relay, _diode.ChainId), _ => Open(_diode, relay)), RelayTimeout);

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

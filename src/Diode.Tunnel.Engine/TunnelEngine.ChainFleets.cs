using System.Globalization;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Membership.DiodeL1;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine;

/// <content>
/// Fleets that a contract decides. They are read in the background; what was read takes effect on the loop, like a manifest.
/// </content>
public sealed partial class TunnelEngine
{
    private static readonly TimeSpan ChainPollInterval = TimeSpan.FromSeconds(2);

    // Relays are paid for what they carry; a removal still has to be seen within ten seconds.
    private static readonly TimeSpan RelayPollInterval = TimeSpan.FromSeconds(4);

    // Relays tell the same block one after the other.
    private static readonly TimeSpan NewsInterval = TimeSpan.FromSeconds(1);

    // So much later than usual may a change of members be seen because of names.
    private static readonly TimeSpan NamesTimeout = TimeSpan.FromSeconds(3);

    // Small networks and tests; a first reading of ten thousand devices takes a few seconds.
    private static readonly TimeSpan ChainJoinTimeout = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _chainsStopped = new();
    private ChainReaders _chains = null!;
    private List<ChainFleetSource> _chainFleets = [];
    private long _nextChainPoll;
    private long _lastChainPoll;
    private long _chainNews;
    private Task? _chainPoll;

    private void OpenChains()
    {
        if (ChainAccess.TryParse(_options.Chains, out IReadOnlyList<ChainAccess> chains) is { } wrong)
        {
            throw new TunnelException(wrong + ".", "Example: --chain glmr=https://rpc.example --chain glmr=https://other.example");
        }

        BlockQuickRules rules = BlockQuickRules.DiodeL1;
        if (_options.L1Anchor is { } text)
        {
            rules = TrustedBlock.TryParse(text, out TrustedBlock anchor)
                ? rules with { Anchor = anchor }
                : throw new TunnelException($"'{text}' is not NUMBER=0x… with the number and the hash of a block.", "Correct l1Anchor in the configuration.");
        }

        var trusted = new TrustedBlockFile(Path.Combine(_options.StateDirectory, TrustedBlockFile.FileName), WriteFleetFile, rules.Anchor);
        DiodeFollowing diode = new(rules, trusted, problem => Log.ManifestProblem(_logger, problem));
        _chains = new ChainReaders(chains, _options.ChainQuorum, _time, NoteDoubted, diode);
        _chains.SetKnown([_keys.Device]);
        OpenNameServices();
        OpenDirectories();
    }

    /// <summary>Somebody told something about a chain that is not so. Any thread.</summary>
    private void NoteDoubted(ChainEndpoint endpoint, string reason)
    {
        Log.EndpointDoubted(_logger, endpoint.Name, reason);
        if (endpoint.Relay is { } relay)
        {
            _loop.TryPost(() =>
            {
                _relays.Demote(relay, reason);
                NotifyChanged();
            });
        }
    }

    private void LoadChainFleets()
    {
        var problems = new List<string>();
        _chainFleets = ChainFleetSource.Load(
            FleetFolder,
            chain => _chains.Find(chain) is { } access ? _chains.FleetReaderOf(access) : null,
            WriteFleetFile,
            _options.ChainStaleness,
            problems);
        foreach (string problem in problems)
        {
            Log.ManifestProblem(_logger, problem);
        }
    }

    // What the user has joined by hand stays when the perimeter is left.
    private async Task<FleetView> JoinChainFleetByHandAsync(ChainFleetId id, string? name, CancellationToken cancellation)
    {
        FleetView joined = await JoinChainFleetAsync(id, name, cancellation).ConfigureAwait(false);
        await _loop.InvokeAsync(
            () =>
            {
                if (_perimeter?.Fleet?.EndsWith(id.Contract.ToString(), StringComparison.Ordinal) == true)
                {
                    KeepPerimeter(static p => p with { Fleet = null });
                }
            },
            cancellation).ConfigureAwait(false);
        return joined;
    }

    /// <summary>Joins the fleet of a contract. Nothing is kept unless it was read with enough assurance and lists this device.</summary>
    private async Task<FleetView> JoinChainFleetAsync(ChainFleetId id, string? name, CancellationToken cancellation)
    {
        ChainFleetSource source = MakeChainSource(id, name);
        await ReadFirstAsync(source, cancellation).ConfigureAwait(false);
        return await _loop.InvokeAsync(
            () =>
            {
                if (!source.Current!.TryGetMember(_keys.Device, out _))
                {
                    throw new TunnelException(
                        $"Fleet {source.Members} does not let this device in ({source.Current.AssuranceText}).",
                        (id.Name is null ? $"Ask its operator to allow {_keys.Device}." : $"Ask the name's owner to register it for {_keys.Device}, too.")
                            + (source.IsProvenByOne ? " On Diode L1 that counts a few minutes later, when its block is final." : ""),
                        "BAD_MANIFEST");
                }

                if (_manifests.Fleets.Any(f => f.Name == source.Name) || _chainFleets.Any(f => f.Name == source.Name && f.Fleet != source.Fleet))
                {
                    throw new TunnelException($"This device already holds a fleet '{source.Name}'.", "Choose another: --name NAME", "CONFLICT");
                }

                source.Save(_time.GetUtcNow());
                _chainFleets = [.. _chainFleets.Where(f => f.Fleet != source.Fleet), source];
                RefreshFleets();
                return MakeFleetView(source, source.Current);
            },
            cancellation).ConfigureAwait(false);
    }

    /// <summary>Reads the fleet of a contract anew and tells how its members are known, joined or not.</summary>
    private async Task<(bool Valid, string Reason, FleetView? Fleet)> VerifyChainFleetAsync(ChainFleetId id, CancellationToken cancellation)
    {
        ChainFleetSource source = MakeChainSource(id, null);
        if (_chainFleets.FirstOrDefault(f => f.Fleet == source.Fleet) is { } held)
        {
            source = MakeChainSource(id, held.Name);
        }

        await source.RefreshAsync(_time.GetUtcNow(), cancellation).ConfigureAwait(false);
        return source.Current is { } snapshot
            ? (true, "", await _loop.InvokeAsync(() => MakeFleetView(source, snapshot), cancellation).ConfigureAwait(false))
            : (false, source.Problem ?? "it can't be read", null);
    }

    private bool TryLeaveChainFleet(string fleet)
    {
        ChainFleetSource? source = _chainFleets.FirstOrDefault(
            f => f.Name == fleet || string.Equals(f.Members.ToString(), fleet, StringComparison.OrdinalIgnoreCase));
        if (source is null)
        {
            return false;
        }

        source.Delete();
        _chainFleets = [.. _chainFleets.Where(f => f != source)];
        RefreshFleets();
        return true;
    }

    private ChainFleetSource MakeChainSource(ChainFleetId id, string? name)
    {
        ChainAccess chain = FindChain(id.Chain, id.Name is null ? id.Contract.ToString() : id.Name + ChainFleetId.NameEnding);
        ChainMembers members = id.Name is null
            ? new ChainMembers(id.Contract)
            : new ChainMembers(
                NameServiceOf(chain.Prefix) ?? throw new TunnelException(
                    $"No name service is known on chain '{chain.Prefix}'.", $"Name its contract: --name-services {chain.Prefix}=0x…", "BAD_REQUEST"),
                id.Name);

        // Ten characters tell fleets apart and stay readable in host names.
        string label = name ?? id.Name ?? string.Concat("f", id.Contract.ToString().AsSpan(2, 9));
        return FleetLabel.IsValid(label)
            ? new ChainFleetSource(
                chain.Prefix, members, label, _chains.FleetReaderOf(chain), FleetFolder, WriteFleetFile, _options.ChainStaleness)
            : throw new TunnelException($"'{label}' cannot name a fleet: {FleetLabel.Rule}.", code: "BAD_REQUEST");
    }

    /// <summary>The chain that is named, else the only one configured, else the one of the tickets.</summary>
    /// <param name="name">Prefix or number; null where none is named.</param>
    /// <param name="example">What the name would be put before.</param>
    private ChainAccess FindChain(string? name, string example)
    {
        if (name is null)
        {
            return _chains.Configured.Count switch
            {
                0 => _chains.Find(_options.TicketChain.ToString(CultureInfo.InvariantCulture))!,
                1 => _chains.Configured[0],
                _ => throw new TunnelException(
                    "Several chains are configured.", $"Name the chain: {_chains.Configured[0].Prefix}:{example}", "BAD_REQUEST"),
            };
        }

        return _chains.Find(name) ?? throw new TunnelException(
            $"There is no chain '{name}'.", $"Chains are {string.Join(", ", ChainAccess.Prefixes)}.", "BAD_REQUEST");
    }

    private async Task ReadFirstAsync(ChainFleetSource source, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _chainsStopped.Token);
        limit.CancelAfter(ChainJoinTimeout);
        try
        {
            await source.RefreshAsync(_time.GetUtcNow(), limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TunnelException($"Reading fleet {source.Members} took more than {ChainJoinTimeout.TotalSeconds:0} s.", "Try other endpoints: --chain, or other relays");
        }

        if (source.Current is null)
        {
            throw new TunnelException(
                $"Fleet {source.Members} can't be read from chain '{source.Chain}': {source.Problem}.",
                source.IsProvenByOne
                    ? "It takes a relay that serves Diode L1; add one by --relays."
                    : $"{_options.ChainQuorum} independent endpoints or relays have to agree. Add some by --chain or --relays, or trust fewer by --chain-quorum.",
                "BAD_MANIFEST");
        }
    }

    private void PollChainFleets()
    {
        long now = _time.GetTimestamp();
        _chains.SetRelays(ChainRelays());
        EndNames();
        bool hasNews = _chains.News != _chainNews && _time.GetElapsedTime(_lastChainPoll, now) >= NewsInterval;
        if (_chainFleets.Count == 0 || (now < _nextChainPoll && !hasNews) || _chainPoll is { IsCompleted: false })
        {
            return;
        }

        _chainNews = _chains.News;
        _lastChainPoll = now;
        TimeSpan interval = _chainFleets.Any(static f => f.UsesRelays) ? RelayPollInterval : ChainPollInterval;
        _nextChainPoll = now + (long)(interval.TotalSeconds * _time.TimestampFrequency);
        Dictionary<Address, string> claimed = _mesh.Peers.Values.Where(static p => p.Hello?.HostName is { Length: > 0 })
            .ToDictionary(static p => p.Device, static p => p.Hello!.HostName!);
        claimed[_keys.Device] = Environment.MachineName;
        _chains.SetKnown([_keys.Device, .. _mesh.Knocks, .. _addressed, .. _mesh.Peers.Keys]);
        foreach (ChainFleetSource source in _chainFleets)
        {
            source.SetClaimedNames(claimed);
        }

        _chainPoll = PollChainsAsync([.. _chainFleets], _chainsStopped.Token);
    }

    private async Task PollChainsAsync(ChainFleetSource[] sources, CancellationToken cancel)
    {
        try
        {
            bool[] changed = await Task.WhenAll(sources.Select(s => s.RefreshAsync(_time.GetUtcNow(), cancel).AsTask())).ConfigureAwait(false);
            if (changed.Contains(true))
            {
                // Who was removed does not wait for the names of the others.
                _loop.TryPost(RefreshFleets);
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            limit.CancelAfter(NamesTimeout);
            await Task.WhenAll(sources.Select(
                s => s.RefreshNamesAsync(NameServiceOf(s.Chain), _keys.Device, _time.GetUtcNow(), limit.Token).AsTask())).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // Names that take too long are asked for another time.
        }
        catch (OperationCanceledException)
        {
            return;
        }

        // Even an unchanged reading moves the time until which it counts.
        _loop.TryPost(RefreshFleets);
    }

    private FleetView MakeFleetView(ChainFleetSource source, FleetSnapshot snapshot)
    {
        bool member = snapshot.TryGetMember(_keys.Device, out _);
        string text = snapshot.IsExpired(_time.GetUtcNow()) ? "expired: " + snapshot.AssuranceText : snapshot.AssuranceText;
        return new FleetView(
            source.Name,
            source.Members.ToString(),
            (long)snapshot.Version,
            source.Verified,
            snapshot.Expires ?? DateTimeOffset.MaxValue,
            $"{source.Chain}: {text}",
            member,
            IsOperated: false,
            [.. snapshot.Members.Select(m => new MemberView(
                m.Device.ToString(),
                m.Label,
                m.Roles,
                member ? _book?.Find(m.Device)?.LocalIpv4.ToString() : null,
                member ? _book?.Find(m.Device)?.Ipv6.ToString() : null))])
        {
            Chain = source.Chain,
        };
    }

    private IEnumerable<FleetView> MakeChainFleetViews() =>
        _chainFleets.Where(static f => f.Current is not null).Select(f => MakeFleetView(f, f.Current!));

    private async Task CloseChainsAsync()
    {
        await _chainsStopped.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_chainPoll ?? Task.CompletedTask, _perimeterPoll ?? Task.CompletedTask).ConfigureAwait(false);

        _chains.DiodeL1?.Save();
        _chains.Dispose();
        _chainsStopped.Dispose();
    }

    private string FleetFolder => Path.Combine(_options.StateDirectory, "fleets");

    private static void WriteFleetFile(string path, ReadOnlySpan<byte> content) => AtomicFile.Write(path, content);
}

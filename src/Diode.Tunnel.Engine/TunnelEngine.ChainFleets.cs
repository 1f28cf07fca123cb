using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine;

/// <content>
/// Fleets that a contract decides. They are read in the background; what was read takes effect on the loop, like a manifest.
/// </content>
public sealed partial class TunnelEngine
{
    private static readonly TimeSpan ChainPollInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ChainRequestTimeout = TimeSpan.FromSeconds(3);

    // Small networks and tests; a first reading of ten thousand devices takes a few seconds.
    private static readonly TimeSpan ChainJoinTimeout = TimeSpan.FromSeconds(60);

    private readonly List<(ChainAccess Access, ChainFleetReader Reader)> _chains = [];
    private readonly List<IDisposable> _chainClients = [];
    private readonly CancellationTokenSource _chainsStopped = new();
    private List<ChainFleetSource> _chainFleets = [];
    private long _nextChainPoll;
    private Task? _chainPoll;

    private void OpenChains()
    {
        if (ChainAccess.TryParse(_options.Chains, out IReadOnlyList<ChainAccess> chains) is { } problem)
        {
            throw new TunnelException(problem + ".", "Example: --chain glmr=https://rpc.example --chain glmr=https://other.example");
        }

        foreach (ChainAccess access in chains)
        {
            var endpoints = new List<(string Name, EvmClient Client)>();
            foreach (Uri uri in access.Endpoints)
            {
                HttpJsonRpcTransport transport = new(uri, ChainRequestTimeout);
                JsonRpcClient client = new(access.ChainId, [transport]);
                _chainClients.AddRange([client, transport]);
                endpoints.Add((transport.Name, new EvmClient(client)));
            }

            _chains.Add((access, new ChainFleetReader(endpoints, _options.ChainQuorum)));
        }
    }

    private void LoadChainFleets()
    {
        var problems = new List<string>();
        _chainFleets = ChainFleetSource.Load(
            FleetFolder, chain => _chains.FirstOrDefault(c => c.Access.Prefix == chain).Reader, WriteFleetFile, _options.ChainStaleness, problems);
        foreach (string problem in problems)
        {
            Log.ManifestProblem(_logger, problem);
        }
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
                        $"Fleet {id.Contract} does not let this device in ({source.Current.AssuranceText}).",
                        $"Ask its operator to allow {_keys.Device}.",
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
        ChainFleetSource source = MakeChainSource(id, _chainFleets.FirstOrDefault(f => f.Fleet == id.Contract)?.Name);
        await source.RefreshAsync(_time.GetUtcNow(), cancellation).ConfigureAwait(false);
        return source.Current is { } snapshot
            ? (true, "", await _loop.InvokeAsync(() => MakeFleetView(source, snapshot), cancellation).ConfigureAwait(false))
            : (false, source.Problem ?? "it can't be read", null);
    }

    private bool TryLeaveChainFleet(string fleet)
    {
        ChainFleetSource? source = _chainFleets.FirstOrDefault(
            f => f.Name == fleet || string.Equals(f.Fleet.ToString(), fleet, StringComparison.OrdinalIgnoreCase));
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
        (ChainAccess Access, ChainFleetReader Reader)[] candidates = [.. _chains.Where(
            c => id.Chain is null || (ChainAccess.TryFind(id.Chain, out _, out ulong chainId) && c.Access.ChainId == chainId))];
        if (candidates.Length != 1)
        {
            throw new TunnelException(
                candidates.Length == 0 ? $"No endpoint of {(id.Chain is null ? "any chain" : $"chain '{id.Chain}'")} is configured." : "Several chains are configured.",
                candidates.Length == 0
                    ? "Start the daemon with, for example: --chain glmr=https://rpc.example --chain glmr=https://other.example"
                    : $"Name the chain: {candidates[0].Access.Prefix}:{id.Contract}",
                "BAD_REQUEST");
        }

        // Ten characters tell fleets apart and stay readable in host names.
        string label = name ?? string.Concat("f", id.Contract.ToString().AsSpan(2, 9));
        return FleetLabel.IsValid(label)
            ? new ChainFleetSource(
                candidates[0].Access.Prefix, id.Contract, label, candidates[0].Reader, FleetFolder, WriteFleetFile, _options.ChainStaleness)
            : throw new TunnelException($"'{label}' cannot name a fleet: {FleetLabel.Rule}.", code: "BAD_REQUEST");
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
            throw new TunnelException($"Reading fleet {source.Fleet} took more than {ChainJoinTimeout.TotalSeconds:0} s.", "Try other endpoints: --chain");
        }

        if (source.Current is null)
        {
            throw new TunnelException(
                $"Fleet {source.Fleet} can't be read from chain '{source.Chain}': {source.Problem}.",
                $"{_options.ChainQuorum} independent endpoints have to agree. Add endpoints by --chain, or trust fewer by --chain-quorum.",
                "BAD_MANIFEST");
        }
    }

    private void PollChainFleets()
    {
        long now = _time.GetTimestamp();
        if (_chainFleets.Count == 0 || now < _nextChainPoll || _chainPoll is { IsCompleted: false })
        {
            return;
        }

        _nextChainPoll = now + (long)(ChainPollInterval.TotalSeconds * _time.TimestampFrequency);
        _chainPoll = PollChainsAsync([.. _chainFleets], _chainsStopped.Token);
    }

    private async Task PollChainsAsync(ChainFleetSource[] sources, CancellationToken cancel)
    {
        try
        {
            await Task.WhenAll(sources.Select(s => s.RefreshAsync(_time.GetUtcNow(), cancel).AsTask())).ConfigureAwait(false);
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
            source.Fleet.ToString(),
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
                member ? _book?.Find(m.Device)?.Ipv6.ToString() : null))]);
    }

    private IEnumerable<FleetView> MakeChainFleetViews() =>
        _chainFleets.Where(static f => f.Current is not null).Select(f => MakeFleetView(f, f.Current!));

    private async Task CloseChainsAsync()
    {
        await _chainsStopped.CancelAsync().ConfigureAwait(false);
        if (_chainPoll is { } poll)
        {
            await poll.ConfigureAwait(false);
        }

        foreach (IDisposable client in _chainClients)
        {
            client.Dispose();
        }

        _chainsStopped.Dispose();
    }

    private string FleetFolder => Path.Combine(_options.StateDirectory, "fleets");

    private static void WriteFleetFile(string path, ReadOnlySpan<byte> content) => AtomicFile.Write(path, content);
}

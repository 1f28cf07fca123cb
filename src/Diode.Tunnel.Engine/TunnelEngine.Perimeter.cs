using System.Globalization;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Perimeters;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine;

/// <content>
/// The perimeter this device has joined (diode-client §14.4): what its operator writes there about this device takes effect here. It is read in
/// the background; nothing of it is copied into what the user has set, so that leaving takes back exactly what it brought.
/// </content>
public sealed partial class TunnelEngine
{
    private const string PerimeterChain = "sapphire";
    private const int MostPerimeterWarnings = 20;

    private static readonly TimeSpan PerimeterInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PerimeterTimeout = TimeSpan.FromSeconds(25);

    // An unchanged reading only moves its age.
    private static readonly TimeSpan PerimeterSaveInterval = TimeSpan.FromMinutes(1);

    private PerimeterState? _perimeter;
    private PerimeterSettings _perimeterSettings = PerimeterSettings.Empty;
    private bool _perimeterInForce;
    private string? _perimeterProblem;
    private string? _perimeterFleetProblem;
    private string? _perimeterKeyProblem;
    private IReadOnlyList<string> _perimeterUnread = [];
    private DateTimeOffset _perimeterSaved;
    private long _nextPerimeterPoll;
    private Task? _perimeterPoll;

    /// <summary>Joins a perimeter: <c>0x…</c> or <c>chain:0x…</c>. Nothing is kept unless it was read and knows this device.</summary>
    /// <exception cref="TunnelException">It can't be read with enough assurance, or does not know this device.</exception>
    public async Task<PerimeterView> JoinPerimeterAsync(string contract, string? chainName, CancellationToken cancellation)
    {
        if (!ChainFleetId.TryParse(contract, out ChainFleetId id) || id.Name is not null)
        {
            throw new TunnelException(
                $"'{contract}' is no address of a perimeter contract.", "For example: diode-tunnel join 0x…, or with its chain: diode-tunnel join sapphire:0x…", "BAD_REQUEST");
        }

        ChainAccess chain = FindChain(id.Chain ?? chainName ?? (_chains.Configured.Count == 1 ? null : PerimeterChain), contract);
        PerimeterState joined = new(chain.Prefix, id.Contract.ToString());
        await _loop.InvokeAsync(() => ThrowIfJoined(joined), cancellation).ConfigureAwait(false);
        PerimeterReading reading = await ReadPerimeterFirstAsync(chain, id.Contract, cancellation).ConfigureAwait(false);
        if (!reading.IsRegistered)
        {
            throw new TunnelException(
                $"The perimeter {reading.Effective} does not know this device (DNE).",
                $"Its operator registers it there: createDevice({_keys.Device}, name, description, type, location). Then run this again.",
                "NOT_FOUND");
        }

        await _loop.InvokeAsync(
            () =>
            {
                ThrowIfJoined(joined);
                TakePerimeter(_perimeter ?? joined, reading);
            },
            cancellation).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _chainsStopped.Token);
        limit.CancelAfter(PerimeterTimeout);
        try
        {
            await FollowPerimeterAsync(chain, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // It is joined all the same; the next round asks again.
        }

        return await _loop.InvokeAsync(
            () => MakePerimeterView() ?? throw new TunnelException("The perimeter was left meanwhile.", code: "CONFLICT"), cancellation).ConfigureAwait(false);
    }

    /// <summary>Leaves the perimeter: what it brought is taken back, what the user has set stays.</summary>
    /// <exception cref="TunnelException">None is joined.</exception>
    public Task<string> LeavePerimeterAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                PerimeterState left = _perimeter
                    ?? throw new TunnelException("This device has joined no perimeter.", "See: diode-tunnel join status", "NOT_FOUND");
                if (left.Fleet is { } fleet && ChainFleetId.TryParse(fleet, out ChainFleetId id))
                {
                    TryLeaveChainFleet(id.Contract.ToString());
                }

                ForgetInterfaceKey();
                SavePerimeter(null);
                return left.ToString();
            },
            cancellation);
    }

    private void LoadPerimeter()
    {
        _perimeter = _state.Current.Perimeter;
        _perimeterSaved = _time.GetUtcNow();
        SetPerimeterSettings();
    }

    // Engine loop, before the ports, binds and relays are used.
    private void SetPerimeterSettings()
    {
        _perimeterInForce = _perimeter is { IsRegistered: true } && _time.GetUtcNow() - _perimeter.Verified <= _options.ChainStaleness;
        _perimeterSettings = _perimeterInForce ? PerimeterSettings.Read(_perimeter!.Values, OwnPort) : PerimeterSettings.Empty;
    }

    private void ApplyPerimeter()
    {
        SetPerimeterSettings();
        ApplyPublishRules();
        ApplyBinds();
        if (_up is not null)
        {
            _relays.Configure(OwnRelays());
        }

        ApplyPerimeterInterface();
        NotifyChanged();
    }

    private void SavePerimeter(PerimeterState? state)
    {
        _state.Update(_state.Current with { Perimeter = state });
        _perimeter = state;
        _perimeterSaved = _time.GetUtcNow();
        if (state is null)
        {
            (_perimeterProblem, _perimeterFleetProblem, _perimeterKeyProblem, _perimeterUnread, _perimeterPeerProblems) = (null, null, null, [], []);
            _perimeterDevices.Clear();
        }

        ApplyPerimeter();
    }

    private void ThrowIfJoined(PerimeterState wanted)
    {
        if (_perimeter is { } held && (held.Chain != wanted.Chain || held.Contract != wanted.Contract))
        {
            throw new TunnelException($"This device has joined the perimeter {held}.", "Leave that first: sudo diode-tunnel leave", "CONFLICT");
        }
    }

    private async Task<PerimeterReading> ReadPerimeterFirstAsync(ChainAccess chain, Address contract, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _chainsStopped.Token);
        limit.CancelAfter(PerimeterTimeout);
        EvmResult<PerimeterReading> reading;
        try
        {
            reading = await PerimeterReader.ReadAsync(_chains.ReaderOf(chain), contract, _keys.Device, null, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            reading = new(null, $"it took more than {PerimeterTimeout.TotalSeconds:0} s");
        }

        return reading.IsOk ? reading.Value : throw new TunnelException(
            $"The perimeter {contract} can't be read from chain '{chain.Prefix}': {reading.Failure}.",
            reading.IsRefusal
                ? "Look at the address and at the chain: diode-tunnel join CHAIN:0x…"
                : $"{_options.ChainQuorum} independent endpoints or relays have to agree. Add some by --chain or --relays of the daemon, or trust fewer by --chain-quorum.",
            "BAD_MANIFEST");
    }

    private void PollPerimeter()
    {
        long now = _time.GetTimestamp();
        if (_perimeter is not { } joined || now < _nextPerimeterPoll || _perimeterPoll is { IsCompleted: false })
        {
            return;
        }

        _nextPerimeterPoll = now + (long)(PerimeterInterval.TotalSeconds * _time.TimestampFrequency);
        if (_perimeterInForce && _time.GetUtcNow() - joined.Verified > _options.ChainStaleness)
        {
            ApplyPerimeter();
        }

        if (_chains.Find(joined.Chain) is { } chain && Address.TryParse(joined.Contract, out Address contract))
        {
            _perimeterPoll = PollPerimeterAsync(chain, contract, joined, _chainsStopped.Token);
        }
    }

    private async Task PollPerimeterAsync(ChainAccess chain, Address contract, PerimeterState joined, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(PerimeterTimeout);
        try
        {
            EvmResult<PerimeterReading> reading =
                await PerimeterReader.ReadAsync(_chains.ReaderOf(chain), contract, _keys.Device, joined.ToReading(), limit.Token).ConfigureAwait(false);
            if (reading.IsOk)
            {
                await _loop.InvokeAsync(() => TakePerimeterIfJoined(joined, reading.Value), cancel).ConfigureAwait(false);
                await FollowPerimeterAsync(chain, limit.Token).ConfigureAwait(false);
            }
            else
            {
                _loop.TryPost(() => NotePerimeterProblem(reading.Failure));
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            _loop.TryPost(() => NotePerimeterProblem($"reading it took more than {PerimeterTimeout.TotalSeconds:0} s"));
        }
        catch (Exception e) when (e is OperationCanceledException or TunnelException or IOException or UnauthorizedAccessException)
        {
            // Stopping, overloaded, or a full disk: the next round tries again.
            _loop.TryPost(() => NotePerimeterProblem(e.Message));
        }
    }

    private void NotePerimeterProblem(string problem)
    {
        if (_perimeterProblem != problem)
        {
            _perimeterProblem = problem;
            Log.PerimeterNotRead(_logger, _perimeter?.ToString() ?? "", problem);
            NotifyChanged();
        }
    }

    // Between the question and the answer it may have been left, or another one joined.
    private void TakePerimeterIfJoined(PerimeterState asked, PerimeterReading reading)
    {
        if (_perimeter is { } joined && joined.Chain == asked.Chain && joined.Contract == asked.Contract)
        {
            TakePerimeter(joined, reading);
        }
    }

    private void TakePerimeter(PerimeterState joined, PerimeterReading reading)
    {
        DateTimeOffset now = _time.GetUtcNow();
        PerimeterState next = joined.With(reading, now);
        _perimeterProblem = null;
        _perimeterUnread = reading.Problems;
        bool same = _perimeter is not null && next.SaysTheSame(_perimeter);
        if (!same)
        {
            Log.PerimeterRead(_logger, next.ToString(), reading.IsRegistered ? $"{reading.Values.Count} properties" : "this device is not registered");
        }

        if (!same || now - _perimeterSaved > PerimeterSaveInterval)
        {
            SavePerimeter(next);
            return;
        }

        _perimeter = next;
        if (!_perimeterInForce)
        {
            ApplyPerimeter();
        }
    }

    /// <summary>What takes questions of its own: the fleet, and the key that only this device may ask for.</summary>
    private async Task FollowPerimeterAsync(ChainAccess chain, CancellationToken cancel)
    {
        (ChainFleetId? wanted, ChainFleetId? held, bool isHeldByUser) = await _loop.InvokeAsync(
            () => (
                _perimeterSettings.Fleet,
                ChainFleetId.TryParse(_perimeter?.Fleet, out ChainFleetId id) ? id : (ChainFleetId?)null,
                _perimeterSettings.Fleet is { } fleet && _chainFleets.Any(f => f.Fleet == fleet.Contract)),
            cancel).ConfigureAwait(false);
        if (held is { } old && old.Contract != wanted?.Contract)
        {
            await _loop.InvokeAsync(
                () =>
                {
                    TryLeaveChainFleet(old.Contract.ToString());
                    KeepPerimeter(static p => p with { Fleet = null });
                },
                cancel).ConfigureAwait(false);
        }

        string? problem = wanted is { } next && !isHeldByUser ? await JoinPerimeterFleetAsync(chain, next, cancel).ConfigureAwait(false) : null;
        string? keyProblem = await FollowPerimeterInterfaceAsync(chain, cancel).ConfigureAwait(false);
        await _loop.InvokeAsync(
            () =>
            {
                (_perimeterFleetProblem, _perimeterKeyProblem) = (problem, keyProblem);
                NotifyChanged();
            },
            cancel).ConfigureAwait(false);
    }

    // The contract names an address only: it is looked for on the perimeter's own chain first, then on that of the tickets.
    private async Task<string?> JoinPerimeterFleetAsync(ChainAccess chain, ChainFleetId fleet, CancellationToken cancel)
    {
        string tickets = _options.TicketChain.ToString(CultureInfo.InvariantCulture);
        string[] chains = fleet.Chain is { } named ? [named] : [chain.Prefix, .. tickets == chain.ChainId.ToString(CultureInfo.InvariantCulture) ? [] : new[] { tickets }];
        string? problem = null;
        foreach (string name in chains)
        {
            try
            {
                ChainFleetId id = fleet with { Chain = name };
                await JoinChainFleetAsync(id, null, cancel).ConfigureAwait(false);
                await _loop.InvokeAsync(() => KeepPerimeter(p => p with { Fleet = $"{id.Chain}:{id.Contract}" }), cancel).ConfigureAwait(false);
                return null;
            }
            catch (TunnelException e)
            {
                problem ??= e.Hint.Length > 0 ? $"{e.Message} {e.Hint}" : e.Message;
            }
        }

        return problem;
    }

    // If it was left meanwhile, so is what was found out for it: a fleet joined for it goes, too.
    private void KeepPerimeter(Func<PerimeterState, PerimeterState> change)
    {
        if (_perimeter is { } joined)
        {
            SavePerimeter(change(joined));
        }
        else if (ChainFleetId.TryParse(change(new PerimeterState("", "")).Fleet, out ChainFleetId fleet))
        {
            TryLeaveChainFleet(fleet.Contract.ToString());
        }
    }

    /// <summary>The perimeter's ports, without those the user has published by hand.</summary>
    private List<PortDefinition> PerimeterPorts()
    {
        HashSet<ushort> byHand = PublishedByHand();
        return [.. _perimeterSettings.Ports.Where(p => !byHand.Contains(p.Ports[0].Destination))];
    }

    // Rules for ranges and for all ports are meant besides, not instead.
    private HashSet<ushort> PublishedByHand() => _perimeterSettings.Ports.IsEmpty
        ? []
        : [.. ReadDefinitions().Select(static d => d.Ports[0].Destination), .. ReadRules().Rules.Where(static r => r.Port.First == r.Port.Last).Select(static r => r.Port.First)];

    private IEnumerable<BindDefinition> PerimeterBinds()
    {
        List<BindDefinition> own = ReadBinds();
        return _perimeterSettings.Binds.Where(b => !own.Contains(b) && (b.Local == 0 || !own.Exists(o => o.Local == b.Local)));
    }

    /// <summary>The configured relays, and up to five in all of those the perimeter names.</summary>
    private IReadOnlyList<RelayUri> OwnRelays() =>
        [.. _relayUris, .. PerimeterRelays().Take(Math.Max(0, RelayPool.Target - _relayUris.Count))];

    private IEnumerable<RelayUri> PerimeterRelays() => _perimeterSettings.Relays.Where(r => _relayUris.All(own => own.Address != r.Address));

    /// <summary>
    /// The relays that are asked about chains: those of the configuration. Whoever operates a perimeter has a say in this device's ports, not in
    /// what it believes about everybody else's contracts.
    /// </summary>
    private IEnumerable<RelayConnection> ChainRelays() => _relays.ReadyOwn.Where(c => _relayUris.Any(own => own.Address == c.Relay));

    private List<string> PerimeterWarnings()
    {
        var warnings = new List<string>(_perimeterSettings.Warnings);
        warnings.AddRange(_perimeterUnread.Select(static u => $"not read this time, the value before counts: {u}"));
        warnings.AddRange(_perimeterSettings.Ports.Except(PerimeterPorts()).Select(static p => string.Create(
            CultureInfo.InvariantCulture, $"{p.Mode.ToString().ToLowerInvariant()}: port {p.Ports[0].Destination} is published by hand, which counts")));
        warnings.AddRange(_perimeterSettings.Binds.Except(PerimeterBinds()).Select(static b => $"bind: {b} is bound by hand, which counts"));
        warnings.AddRange(_perimeterSettings.Ports.SelectMany(static p => p.Names).Distinct().Where(n => Lookup(n).Count == 0)
            .Select(static n => $"no device or fleet is called '{n}': nobody is let in by that name"));
        warnings.AddRange(PerimeterRelays().Skip(Math.Max(0, RelayPool.Target - _relayUris.Count)).Select(static r =>
            $"diodeaddrs: {r} is not used, there are {RelayPool.Target} relays already"));
        warnings.AddRange(_perimeterFleetProblem is { } fleet ? [$"fleet: {fleet}"] : []);
        warnings.AddRange(_perimeterKeyProblem is { } key ? [$"wireguard: {key}"] : []);
        warnings.AddRange(_perimeterPeerProblems.Concat(_perimeterInterface.Warnings()).Select(static w => $"wireguard: {w}"));
        return warnings;
    }

    private PerimeterView? MakePerimeterView()
    {
        return _perimeter is not { } joined ? null : new PerimeterView
        {
            Chain = joined.Chain,
            Contract = joined.Contract,
            Effective = joined.Effective,
            IsRegistered = joined.IsRegistered,
            IsInForce = _perimeterInForce,
            Verified = joined.Verified,
            Assurance = joined.Assurance,
            Problem = _perimeterProblem,
            Fleet = joined.Fleet,
            WireGuardKey = joined.WireGuardKey,
            WireGuard = _perimeterInterface.View(),
            Values =
            [
                .. PerimeterReader.Keys.Where(k => joined.Values.GetValueOrDefault(k) is { Length: > 0 })
                    .Select(k => (k, k == "wireguard" ? WireGuardText(joined.Values[k]) : joined.Values[k])),
            ],
            Warnings = PerimeterWarnings(),
        };
    }

    private static string WireGuardText(string value) => WgQuickParser.TryRead(value)?.Describe() ?? "(not in form)";

    private void AddPerimeterHealth(List<HealthView> health)
    {
        if (_perimeter is not { } joined)
        {
            return;
        }

        if (!joined.IsRegistered)
        {
            health.Add(new HealthView(
                "PERIMETER", true, $"The perimeter {joined} does not know this device any more; what it had set is taken back.",
                "Ask its operator, or: sudo diode-tunnel leave"));
        }
        else if (_perimeterProblem is { } problem)
        {
            health.Add(new HealthView(
                "PERIMETER_UNREACHABLE", !_perimeterInForce,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The perimeter {joined} can't be read: {problem}. {(_perimeterInForce ? "In force is" : "Not in force any more is")} what was verified at {joined.Verified:yyyy-MM-ddTHH:mm:ssZ}."),
                null));
        }

        List<string> warnings = PerimeterWarnings();
        health.AddRange(warnings.Take(MostPerimeterWarnings).Select(static w => new HealthView("PERIMETER_SETTING", false, w, "See: diode-tunnel join status")));
        if (warnings.Count > MostPerimeterWarnings)
        {
            health.Add(new HealthView(
                "PERIMETER_SETTING", false, $"{warnings.Count - MostPerimeterWarnings} more settings of the perimeter are not in force", "See: diode-tunnel join status"));
        }
    }
}

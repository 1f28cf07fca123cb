using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>
/// Follows Diode L1 through relays none of which is believed: what counts is the vote of the miners (<see cref="LightChain"/>). Asks
/// only when it is asked, every 15 seconds or when a relay has told of a new block. A relay whose blocks do not verify is contradicted
/// as soon as another one's do. Thread-safe; only cancellation throws.
/// </summary>
/// <param name="relays">The relays there are at the moment.</param>
/// <param name="standings">Who of them is believed.</param>
/// <param name="following">How it is followed.</param>
/// <param name="time">The clock.</param>
internal sealed class DiodeChain(
    Func<IReadOnlyList<DiodeRelay>> relays, EndpointStandings standings, DiodeFollowing following, TimeProvider time) : IDisposable
{
    // Blocks of a hop besides those that vote the next time: enough for the votes of the old window.
    private const int VotersOfHop = 60;

    // One step back from the peak by half the way each, also over tens of millions of blocks.
    private const int MaxHops = 32;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5);

    // What relays tell unasked may hasten a look, not multiply them.
    private static readonly TimeSpan LeastInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(1);

    // One relay may not hold up the others for longer; what was reached by then is kept.
    private static readonly TimeSpan RelayLimit = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _turn = new(1);
    private LightChain? _chain;
    private EvmResult<DiodeHead> _last = new(null, "not asked yet");
    private long? _lastAt;
    private long? _savedAt;

    /// <summary>The newest final block; what was found out less than an interval ago is not asked for again.</summary>
    public async Task<EvmResult<DiodeHead>> FollowAsync(CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            bool hasNews = relays().Any(static r => r.Told is { } told && told != r.ToldThen);
            TimeSpan interval = hasNews ? LeastInterval : _last.IsOk ? Interval : RetryInterval;
            if (_lastAt is not { } last || time.GetElapsedTime(last) >= interval)
            {
                _last = await LookAsync(cancel).ConfigureAwait(false);
                _lastAt = time.GetTimestamp();
            }

            return _last;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Writes the last final block now.</summary>
    public void Save()
    {
        if (_chain is { } chain && chain.Trusted.Number > following.Rules.Anchor.Number)
        {
            NoteFile(following.File.Save(chain.Trusted));
            _savedAt = time.GetTimestamp();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<EvmResult<DiodeHead>> LookAsync(CancellationToken cancel)
    {
        if (_chain is null)
        {
            NoteFile(following.File.Load(out TrustedBlock trusted));
            _chain = new LightChain(following.Rules, trusted);
        }

        IReadOnlyList<DiodeRelay> all = relays();
        foreach (DiodeRelay relay in all)
        {
            relay.ToldThen = relay.Told;
        }

        DiodeAnswer<ulong>[] peaks = await Task.WhenAll(all.Select(r => r.GetPeakAsync(cancel))).ConfigureAwait(false);

        // Everything is verified, so that one who was contradicted or failed may be asked, too: last. Else the newest block comes first.
        (DiodeRelay Relay, ulong Peak)[] able = [.. all.Zip(peaks).Where(static p => p.Second.IsOk).Select(static p => (p.First, p.Second.Value))
            .OrderBy(p => standings.IsDoubted(p.First.Endpoint)).ThenBy(static p => p.First.HasFailed).ThenByDescending(static p => p.Value)];
        if (able.Length == 0)
        {
            return new(null, all.Count == 0
                ? "no relay is connected"
                : $"none of {all.Count} relays serves Diode L1 ({all[0].Endpoint.Name}: {peaks[0].Problem})");
        }

        return await FollowAsync(_chain, able, cancel).ConfigureAwait(false);
    }

    private async Task<EvmResult<DiodeHead>> FollowAsync(LightChain chain, (DiodeRelay Relay, ulong Peak)[] able, CancellationToken cancel)
    {
        List<(DiodeRelay Relay, string Reason)> suspects = [];
        List<string> problems = [];
        Hash256? before = chain.LastFinal?.Hash;
        foreach ((DiodeRelay relay, ulong peak) in able)
        {
            string? problem = await FollowOneAsync(chain, relay, peak, suspects, cancel).ConfigureAwait(false);
            relay.HasFailed = problem is not null;
            if (problem is not null)
            {
                problems.Add($"{relay.Endpoint.Name}: {problem}");
            }

            if (chain.LastFinal?.Hash != before)
            {
                await CompareAsync(chain.LastFinal!, able.Where(a => a.Relay != relay), suspects, cancel).ConfigureAwait(false);
                Blame(suspects);
                SaveIfDue();
                break;
            }
        }

        if (chain.LastFinal is not { } final || problems.Count == able.Length)
        {
            return new(null, $"no relay shows blocks that verify after block {chain.Trusted.Number}: {string.Join("; ", problems)}");
        }

        DiodeRelay[] order = [.. able.Select(static a => a.Relay).OrderBy(r => standings.IsDoubted(r.Endpoint))];
        return new(new DiodeHead(final, order, [.. order.Where(r => standings.IsDoubted(r.Endpoint)).Select(static r => r.Endpoint.Name)]), null);
    }

    // Only when somebody's blocks were voted for: else the way they are verified might be to blame.
    private void Blame(List<(DiodeRelay Relay, string Reason)> suspects)
    {
        foreach ((DiodeRelay suspect, string reason) in suspects.DistinctBy(static s => s.Relay))
        {
            standings.Contradicted(suspect.Endpoint, reason);
        }
    }

    // Null: what it shows is in order, or there is nothing new.
    private async Task<string?> FollowOneAsync(
        LightChain chain, DiodeRelay relay, ulong peak, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(RelayLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, limit.Token);
        try
        {
            if (chain.LastFinal is null && await StartAsync(chain, relay, peak, suspects, either.Token).ConfigureAwait(false) is { } problem)
            {
                return problem;
            }

            ulong end = peak - Math.Min(peak, (ulong)following.Rules.Confirmations);
            return end <= chain.Trusted.Number ? null
                : end - chain.Trusted.Number > (ulong)following.Rules.Size ? await CatchUpAsync(chain, relay, end, suspects, either.Token).ConfigureAwait(false)
                : await ExtendAsync(chain, relay, end, suspects, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return "it is too slow";
        }
    }

    private static async Task<string?> StartAsync(
        LightChain chain, DiodeRelay relay, ulong peak, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        TrustedBlock trusted = chain.Trusted;
        if (peak < trusted.Number)
        {
            return $"it is at block {peak}, before the trusted block {trusted.Number}";
        }

        DiodeAnswer<List<BlockHeader>> window =
            await FetchAsync(relay, Range(chain.FirstOfWindow, trusted.Number), suspects, cancel).ConfigureAwait(false);
        if (!window.IsOk)
        {
            return window.Problem;
        }

        string? reason = chain.TryStart(window.Value!) switch
        {
            LightChainVerdict.OtherChain => $"its block {trusted.Number} is not the trusted one",
            LightChainVerdict.NotLinked => $"its blocks before {trusted.Number} do not lead to it",
            _ => null,
        };
        if (reason is not null)
        {
            suspects.Add((relay, reason));
        }

        return reason;
    }

    // Block by block. What this relay has shown already is not asked for again, unless its chain has changed since.
    private async Task<string?> ExtendAsync(
        LightChain chain, DiodeRelay relay, ulong end, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        BlockHeader final = chain.LastFinal!;
        List<BlockHeader> branch = relay.Branch;
        branch.RemoveAll(b => b.Number <= final.Number);
        if (branch.Count > 0 && branch[0].PreviousBlock != final.Hash)
        {
            branch.Clear();
        }

        ulong first = branch.Count > 0 ? branch[^1].Number + 1 : final.Number + 1;
        if (first > end)
        {
            return null;
        }

        DiodeAnswer<List<BlockHeader>> next = await FetchAsync(relay, Range(first, end), suspects, cancel).ConfigureAwait(false);
        if (next.IsOk && branch.Count > 0 && next.Value![0].PreviousBlock != branch[^1].Hash)
        {
            branch.Clear();
            next = await FetchAsync(relay, Range(final.Number + 1, end), suspects, cancel).ConfigureAwait(false);
        }

        if (!next.IsOk)
        {
            return next.Problem;
        }

        branch.AddRange(next.Value!);
        LightChainVerdict verdict = chain.TryAdvance(branch, allowGap: false);
        branch.RemoveAll(b => b.Number <= chain.Trusted.Number);
        if (verdict == LightChainVerdict.NotLinked)
        {
            branch.Clear();
            string reason = $"its blocks from {final.Number + 1} on do not follow from the final block {final.Number}";
            suspects.Add((relay, reason));
            return reason;
        }

        // As many blocks as there are votes, and not half of the votes: these are not the miners of the chain.
        return verdict == LightChainVerdict.Advanced || branch.Count < following.Rules.Size ? null
            : $"its {branch.Count} blocks after {final.Number} lack the votes of the miners before";
    }

    // Over many blocks. The relay proposes a sequence whose miners have votes; where it has none (the miners of then are gone), shorter
    // and shorter hops are tried, down to what ExtendAsync does.
    private async Task<string?> CatchUpAsync(
        LightChain chain, DiodeRelay relay, ulong end, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        relay.Branch.Clear();
        ulong before = chain.Trusted.Number;
        string? problem = null;
        int most = 4 * (following.Rules.Size + following.Rules.Confirmations);
        DiodeAnswer<List<ulong>> quick =
            await relay.GetQuickAsync(before, following.Rules.Size + following.Rules.Confirmations + 1, most, cancel).ConfigureAwait(false);
        if (quick is { IsOk: true, Value.Count: > 0 })
        {
            problem = await HopAsync(chain, relay, [.. quick.Value.Where(n => n <= end)], suspects, cancel).ConfigureAwait(false);
        }

        ulong length = (ulong)(following.Rules.Size + VotersOfHop);
        ulong distance = end - chain.Trusted.Number;
        for (int i = 0; i < MaxHops && distance > (ulong)following.Rules.Size; i++)
        {
            ulong target = chain.Trusted.Number + distance;
            ulong first = Math.Max(chain.Trusted.Number + 1, target - length + 1);
            problem = await HopAsync(chain, relay, Range(first, target), suspects, cancel).ConfigureAwait(false);
            distance = problem is null ? end - chain.Trusted.Number : distance / 2;
        }

        if (chain.Trusted.Number == before)
        {
            string? last = await ExtendAsync(chain, relay, before + (ulong)following.Rules.Size, suspects, cancel).ConfigureAwait(false);
            problem = last ?? problem;
        }

        return chain.Trusted.Number == before ? problem : null;
    }

    private static async Task<string?> HopAsync(
        LightChain chain, DiodeRelay relay, List<ulong> numbers, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        DiodeAnswer<List<BlockHeader>> headers = await FetchAsync(relay, numbers, suspects, cancel).ConfigureAwait(false);
        return !headers.IsOk ? headers.Problem
            : chain.TryAdvance(headers.Value!, allowGap: true) == LightChainVerdict.Advanced ? null
            : $"its blocks up to {(numbers.Count > 0 ? numbers[^1] : 0)} lack the votes of the miners of block {chain.Trusted.Number}";
    }

    // The others have to have the block that has become final.
    private static async Task CompareAsync(
        BlockHeader final, IEnumerable<(DiodeRelay Relay, ulong Peak)> others, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        DiodeRelay[] asked = [.. others.Where(o => o.Peak >= final.Number).Select(static o => o.Relay)];
        DiodeAnswer<BlockHeader>[] told = await Task.WhenAll(asked.Select(r => r.GetHeaderAsync(final.Number, cancel))).ConfigureAwait(false);
        foreach ((DiodeRelay relay, DiodeAnswer<BlockHeader> answer) in asked.Zip(told))
        {
            if (answer.IsLie)
            {
                suspects.Add((relay, answer.Problem!));
            }
            else if (answer.IsOk && answer.Value!.Hash != final.Hash)
            {
                suspects.Add((relay, $"its block {final.Number} is not the one that the miners of Diode L1 voted for"));
            }
            else
            {
                relay.HasFailed = !answer.IsOk;
            }
        }
    }

    private static async Task<DiodeAnswer<List<BlockHeader>>> FetchAsync(
        DiodeRelay relay, List<ulong> numbers, List<(DiodeRelay, string)> suspects, CancellationToken cancel)
    {
        DiodeAnswer<List<BlockHeader>> headers = await relay.GetHeadersAsync(numbers, cancel).ConfigureAwait(false);
        if (headers.IsLie)
        {
            suspects.Add((relay, headers.Problem!));
        }

        return headers;
    }

    private static List<ulong> Range(ulong first, ulong last)
    {
        var numbers = new List<ulong>();
        for (ulong number = first; number <= last; number++)
        {
            numbers.Add(number);
        }

        return numbers;
    }

    private void SaveIfDue()
    {
        if (_savedAt is not { } saved || time.GetElapsedTime(saved) >= SaveInterval)
        {
            Save();
        }
    }

    private void NoteFile(string? problem)
    {
        if (problem is not null)
        {
            following.FileProblem(problem);
        }
    }
}

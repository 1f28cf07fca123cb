using System.Collections.Immutable;
using System.Globalization;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Proofs;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// Reads a fleet contract so that no single endpoint can put a device in, or keep a removed one. The endpoints have to agree on a
/// block; then each device is proven by the contract's storage under that block's state root. Chains that give no proofs are read by
/// agreement: a device is in if enough endpoints list it. Thread-safe; only cancellation throws.
/// </summary>
/// <param name="endpoints">The independent endpoints there are at the moment.</param>
/// <param name="quorum">How many endpoints have to agree, at least 1.</param>
/// <param name="standings">Who of them is believed.</param>
internal sealed partial class ChainFleetReader(Func<IReadOnlyList<ChainEndpoint>> endpoints, int quorum, EndpointStandings standings) : IFleetReader
{
    // Devices that too few endpoints list are proven too, but not any number of inventions: this many times what one answer proves.
    private const int DoubtfulAnswers = 5;

    // Proofs under way at the same time.
    private const int ProofsAtOnce = 8;
    private const int CallsAtOnce = 8;

    // Proving costs about 5 KB for each device; relays are paid for what they carry, so large fleets are read by agreement there.
    private const int MostProvenByRelays = 1000;

    // What an endpoint that dawdles may cost once enough others have answered.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);

    // A block may still give way to another one of the same number with another change in it. After so many blocks it does not.
    private const ulong SettledBlocks = 12;
    private static readonly Hash256 One = StorageSlots.At(1);

    /// <inheritdoc/>
    public bool UsesRelays => endpoints().Any(static e => e.Relay is not null);

    /// <inheritdoc/>
    public ChainFleetReader Names => this;

    /// <summary>
    /// Reads the contract. Without a new block that costs nothing but the block's number; with one the contract's own note of its last
    /// change is asked for first, then the root of its storage, and only then the devices.
    /// </summary>
    /// <inheritdoc/>
    public async Task<EvmResult<ChainFleetReading>> ReadAsync(
        ChainMembers members, ChainFleetReading? last, bool isThorough, CancellationToken cancel)
    {
        // Without a former reading it is a user who looks, perhaps at what was written a moment ago.
        EvmResult<Heads> found = await FindHeadsAsync(mayBeTold: last is not null, cancel).ConfigureAwait(false);
        if (!found.IsOk)
        {
            return found.As<ChainFleetReading>();
        }

        Heads heads = found.Value;
        if (last is not null && heads.Target < last.Block)
        {
            return new(null, $"the {heads.Noun}s are at block {heads.Target}, before {last.Block} that was read already");
        }

        if (last is not null && !isThorough)
        {
            if (heads.Target == last.Block)
            {
                return new(last, null);
            }

            if (await ConfirmUnchangedAsync(members, last, heads, cancel).ConfigureAwait(false) is { } unchanged)
            {
                return new(unchanged, null);
            }
        }

        EvmResult<Agreement> agreed = await AgreeAsync(heads, cancel).ConfigureAwait(false);
        if (!agreed.IsOk)
        {
            return agreed.As<ChainFleetReading>();
        }

        Agreement agreement = agreed.Value;
        Task<ulong?> change = ReadLastChangeAsync(members.Contract, agreement, cancel);
        EvmResult<ChainFleetReading> reading = await ReadAtAsync(members, last, agreement, cancel).ConfigureAwait(false);
        ulong? lastChange = await change.ConfigureAwait(false);
        return reading.IsOk ? new(reading.Value with { LastChange = lastChange }, null) : reading;
    }

    private async Task<EvmResult<ChainFleetReading>> ReadAtAsync(
        ChainMembers members, ChainFleetReading? last, Agreement agreement, CancellationToken cancel)
    {
        EvmHeader header = agreement.Header;
        EvmResult<AccountState> account = await ProveAccountAsync(members.Contract, agreement, cancel).ConfigureAwait(false);
        if (account.IsRefusal)
        {
            return account.As<ChainFleetReading>();
        }

        // What decides is the contract's storage: while its root stays, everything that was found out about it holds.
        if (account.IsOk && last?.StorageRoot == account.Value.StorageRoot)
        {
            return last.Assurance == FleetAssurance.RelaysAgree
                ? new(Reading(header, last.Devices, last.Assurance, AgreedText(agreement, agreement.Group.Count), account.Value.StorageRoot), null)
                : new(Reading(header, last.Devices, ProvenAssurance(), ProvenText(agreement), account.Value.StorageRoot), null);
        }

        if (account.IsOk && members.Name is { } name)
        {
            return await ReadProvenNameAsync(members.Contract, name, agreement, account.Value, cancel).ConfigureAwait(false);
        }

        EvmResult<Address[]>[] lists = await ListAllAsync(members, agreement, cancel).ConfigureAwait(false);
        if (account.IsOk)
        {
            Address[] proposed = Propose(agreement, lists);
            if (agreement.Noun != "relay" || proposed.Length <= MostProvenByRelays)
            {
                return await ReadProvenAsync(members.Contract, agreement, lists, proposed, account.Value, cancel).ConfigureAwait(false);
            }
        }

        return ReadAgreed(agreement, lists, account.Value?.StorageRoot);
    }

    // Zero: the contract keeps no such note.
    private async Task<ulong?> ReadLastChangeAsync(Address fleet, Agreement agreement, CancellationToken cancel)
    {
        EvmResult<Hash256>[] told = await Task.WhenAll(agreement.Group.Select(
            e => e.Client.GetStorageAsync(fleet, StorageSlots.ChangeTracker, agreement.Header.Number, cancel).AsTask())).ConfigureAwait(false);
        Hash256[] enough = [.. told.Where(static t => t.IsOk).GroupBy(static t => t.Value).Where(g => g.Count() >= quorum).Select(static g => g.Key)];
        return enough.Length == 1 && StorageSlots.TryReadUInt64(enough[0], out ulong change) && change > 0 ? change : null;
    }

    /// <summary>Calls a function that changes nothing; what enough endpoints answer, at a block they agree on, counts.</summary>
    /// <returns>The answer, and how it is known.</returns>
    public async Task<EvmResult<(byte[] Data, string Assurance)>> CallAsync(Address to, byte[] data, CancellationToken cancel)
    {
        EvmResult<Agreement> agreed = await AgreeAsync(cancel).ConfigureAwait(false);
        if (!agreed.IsOk)
        {
            return agreed.As<(byte[], string)>();
        }

        (EvmResult<byte[]> answer, string assurance) = await AskAsync(agreed.Value, new ChainCall(to, data), cancel).ConfigureAwait(false);
        return answer.IsOk ? new((answer.Value, assurance), null) : answer.As<(byte[], string)>();
    }

    /// <summary>Several such calls, all at one block.</summary>
    public async Task<EvmResult<EvmResult<byte[]>[]>> CallAllAsync(ChainCall[] calls, CancellationToken cancel)
    {
        EvmResult<(EvmResult<byte[]> Answer, string Assurance)[]> answers = await AskAllAsync(calls, cancel).ConfigureAwait(false);
        return answers.IsOk ? new([.. answers.Value.Select(static a => a.Answer)], null) : answers.As<EvmResult<byte[]>[]>();
    }

    /// <summary>The same, with how each answer is known.</summary>
    public async Task<EvmResult<(EvmResult<byte[]> Answer, string Assurance)[]>> AskAllAsync(ChainCall[] calls, CancellationToken cancel)
    {
        EvmResult<Agreement> agreed = await AgreeAsync(cancel).ConfigureAwait(false);
        if (!agreed.IsOk)
        {
            return agreed.As<(EvmResult<byte[]>, string)[]>();
        }

        using var slots = new SemaphoreSlim(CallsAtOnce);
        return new(await Task.WhenAll(calls.Select(async call =>
        {
            await slots.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                return await AskAsync(agreed.Value, call, cancel).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false), null);
    }

    private async Task<(EvmResult<byte[]> Answer, string Assurance)> AskAsync(Agreement agreement, ChainCall call, CancellationToken cancel)
    {
        EvmResult<byte[]>[] answers = await Task.WhenAll(agreement.Group.Select(
            e => e.Client.CallContractAsync(call.To, call.Data, agreement.Header.Number, cancel, call.From).AsTask())).ConfigureAwait(false);

        // A refusal is an answer, too: its words may differ, what counts is that the chain says no, and the one word that means something.
        IGrouping<string, EvmResult<byte[]>>? best = answers.Where(static a => a.IsOk || a.IsRefusal)
            .GroupBy(a => a.IsOk ? Convert.ToHexString(a.Value) : call.Refusal is { } word && a.Failure.Contains(word, StringComparison.Ordinal) ? word : "refused")
            .MaxBy(static g => g.Count());
        if (best is null || best.Count() < quorum)
        {
            string reason = answers.Select(static a => a.Failure).FirstOrDefault(static f => f is not null) ?? "they contradict each other";
            return (new(null, $"{best?.Count() ?? 0} of {agreement.All} {agreement.Noun}s give the same answer, {quorum} have to: {reason}"), "");
        }

        Agreement after = agreement with
        {
            Doubted = [.. agreement.Doubted, .. agreement.Group.Where((_, i) => answers[i].IsOk && !best.Contains(answers[i]))],
        };
        return (best.First(), AgreedText(after, best.Count()));
    }

    private async Task<EvmResult<Heads>> FindHeadsAsync(bool mayBeTold, CancellationToken cancel)
    {
        IReadOnlyList<ChainEndpoint> all = endpoints();
        string noun = all.Count > 0 && all.All(static e => e.Relay is not null) ? "relay" : "endpoint";
        ChainEndpoint[] doubted = [.. all.Where(standings.IsDoubted)];

        // Who was caught lying is only asked where nobody else is left; then all have to agree anyway.
        ChainEndpoint[] asked = all.Count - doubted.Length >= quorum ? [.. all.Except(doubted)] : [.. all];
        EvmResult<ulong>[] told = await Task.WhenAll(asked.Select(
            e => mayBeTold ? e.GetBlockNumberAsync(cancel).AsTask() : e.Client.GetBlockNumberAsync(cancel).AsTask())).ConfigureAwait(false);
        ulong[] heights = [.. told.Where(static h => h.IsOk).Select(static h => h.Value).OrderDescending()];
        if (heights.Length < quorum)
        {
            string reason = told.Select(static h => h.Failure).FirstOrDefault(static f => f is not null)
                ?? (noun == "relay" ? "more are not connected" : "there are no more");
            return new(null, $"{heights.Length} of {all.Count} {noun}s answer, {quorum} have to: {reason}{Contradicting(doubted)}");
        }

        // The newest block that enough of them have. One that boasts of a higher number, or hides new blocks, changes nothing.
        return new(new Heads(all, noun, doubted, asked, told, heights[quorum - 1]), null);
    }

    // Who asks now may just have written something: a block that was told a moment ago is too old for that.
    private async Task<EvmResult<Agreement>> AgreeAsync(CancellationToken cancel)
    {
        EvmResult<Heads> heads = await FindHeadsAsync(mayBeTold: false, cancel).ConfigureAwait(false);
        return heads.IsOk ? await AgreeAsync(heads.Value, cancel).ConfigureAwait(false) : heads.As<Agreement>();
    }

    private async Task<EvmResult<Agreement>> AgreeAsync(Heads heads, CancellationToken cancel)
    {
        // Who is behind may have caught up meanwhile; else it says that there is no such block.
        (IReadOnlyList<ChainEndpoint> all, string noun, ChainEndpoint[] doubted, ChainEndpoint[] asked, EvmResult<ulong>[] told, ulong target) = heads;
        EvmResult<EvmHeader>[] headers = await Task.WhenAll(asked.Select((e, i) => told[i].IsOk
            ? e.Client.GetHeaderAsync(target, cancel).AsTask()
            : Task.FromResult(new EvmResult<EvmHeader>(null, "silent")))).ConfigureAwait(false);

        // Of chains with other names for blocks the hash says nothing about the rest: all of it has to be the same.
        IGrouping<EvmHeader, int>? best = Enumerable.Range(0, asked.Length)
            .Where(i => headers[i].IsOk)
            .GroupBy(i => headers[i].Value!)
            .MaxBy(static g => g.Count());
        if (best is null || best.Count() < quorum)
        {
            return new(null, $"the {noun}s disagree about block {target}: {best?.Count() ?? 0} of {all.Count} agree, {quorum} have to");
        }

        ChainEndpoint[] others = [.. asked.Where((_, i) => headers[i].IsOk && headers[i].Value! != best.Key)];
        foreach (ChainEndpoint other in others)
        {
            standings.Disagreed(other, $"it has another block {target} than {best.Count()} others");
        }

        foreach (int i in best)
        {
            standings.Agreed(asked[i]);
        }

        return new(new Agreement(headers[best.First()].Value!, [.. best.Select(i => asked[i])], all.Count, noun, doubted, others), null);
    }

    // A refusal means the contract is not there; any other failure that nobody gives proofs.
    private static async Task<EvmResult<AccountState>> ProveAccountAsync(Address fleet, Agreement agreement, CancellationToken cancel)
    {
        foreach (ChainEndpoint endpoint in agreement.Group)
        {
            EvmResult<EvmProof> proof = await endpoint.Client.GetProofAsync(fleet, [], agreement.Header.Number, cancel).ConfigureAwait(false);
            if (!proof.IsOk)
            {
                continue;
            }

            switch (AccountState.Verify(agreement.Header.StateRoot, fleet, proof.Value.Account, out AccountState? account))
            {
                case ProofVerdict.Present when account!.IsContract:
                    return new(account, null);
                case ProofVerdict.Present or ProofVerdict.Absent:
                    return new(null, $"there is no contract at {fleet}", IsRefusal: true);
            }
        }

        return new(null, "no endpoint gives proofs");
    }

    // Endpoints only propose devices, so those of all of them are taken together; admission is by proof alone.
    private async Task<EvmResult<ChainFleetReading>> ReadProvenAsync(
        Address fleet, Agreement agreement, EvmResult<Address[]>[] lists, Address[] proposed, AccountState account, CancellationToken cancel)
    {
        if (!lists.Any(static l => l.IsOk))
        {
            return lists[0].As<ChainFleetReading>();
        }

        using var slots = new SemaphoreSlim(ProofsAtOnce);
        Address[]?[] admitted = await Task.WhenAll(proposed.Chunk(SlotsPerProof(agreement)).Select(async batch =>
        {
            await slots.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                return await ProveBatchAsync(fleet, agreement, account, batch, cancel).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        if (admitted.Any(static batch => batch is null))
        {
            return new(null, $"none of the {agreement.Noun}s proves who is in the fleet");
        }

        HashSet<Address> proven = [.. admitted.SelectMany(static batch => batch!)];
        Agreement after = Judge(agreement, lists, list => list.All(proven.Contains) && proven.Count <= list.Length, "a proof");
        return new(
            Reading(agreement.Header, [.. proposed.Where(proven.Contains)], ProvenAssurance(), ProvenText(after), account.StorageRoot), null);
    }

    // Null where nobody proves it.
    private static async Task<Address[]?> ProveBatchAsync(
        Address fleet, Agreement agreement, AccountState account, Address[] batch, CancellationToken cancel)
    {
        Hash256[]? values = await ProveSlotsAsync(fleet, agreement, account, [.. batch.Select(StorageSlots.FleetMember)], cancel).ConfigureAwait(false);
        return values is null ? null : [.. batch.Where((_, i) => values[i] == One)];
    }

    // The words of a contract's storage; null where nobody proves them.
    private static async Task<Hash256[]?> ProveSlotsAsync(
        Address contract, Agreement agreement, AccountState account, Hash256[] slots, CancellationToken cancel)
    {
        foreach (ChainEndpoint endpoint in agreement.Group)
        {
            EvmResult<EvmProof> proof = await endpoint.Client.GetProofAsync(contract, slots, agreement.Header.Number, cancel).ConfigureAwait(false);
            var values = new Hash256[slots.Length];
            int i = 0;
            while (proof.IsOk && i < slots.Length && AccountState.TryVerifyStorage(account.StorageRoot, slots[i], proof.Value.Storage[i], out values[i]))
            {
                i++;
            }

            if (i == slots.Length)
            {
                return values;
            }
        }

        return null;
    }

    private EvmResult<ChainFleetReading> ReadAgreed(Agreement agreement, EvmResult<Address[]>[] lists, Hash256? root)
    {
        int answered = lists.Count(static l => l.IsOk);
        if (answered < quorum)
        {
            EvmResult<Address[]> failed = lists.First(static l => !l.IsOk);
            return new(
                null, $"{answered} of {agreement.All} {agreement.Noun}s list the fleet, {quorum} have to: {failed.Failure}", failed.IsRefusal);
        }

        Address[] devices = [.. lists.Where(static l => l.IsOk).SelectMany(static l => l.Value!.Distinct())
            .GroupBy(static d => d).Where(g => g.Count() >= quorum).Select(static g => g.Key)];
        HashSet<Address> admitted = [.. devices];
        int agreeing = lists.Count(l => l.IsOk && admitted.SetEquals(l.Value!));

        // Two who contradict each other say nothing about which of them is wrong.
        Agreement after = agreeing >= quorum ? Judge(agreement, lists, admitted.SetEquals, $"{agreeing} others") : agreement;
        return quorum == 1
            ? new(Reading(
                agreement.Header, [.. devices], FleetAssurance.OneRelay, $"one {agreement.Noun} ({agreement.Group[0].Name}) at block {Number(agreement)}", null), null)
            : new(Reading(agreement.Header, [.. devices], FleetAssurance.RelaysAgree, AgreedText(after, agreeing), root), null);
    }

    private async Task<EvmResult<Address[]>[]> ListAllAsync(ChainMembers members, Agreement agreement, CancellationToken cancel)
    {
        using var slow = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task<EvmResult<Address[]>>[] asked =
            [.. agreement.Group.Select(e => ListAsync(e.Client, members, agreement.Header.Number, slow.Token, cancel))];
        var waiting = asked.ToList();
        int answered = 0;
        while (waiting.Count > 0)
        {
            Task<EvmResult<Address[]>> done = await Task.WhenAny(waiting).ConfigureAwait(false);
            waiting.Remove(done);
            EvmResult<Address[]> list = await done.ConfigureAwait(false);
            if (list.IsOk && ++answered == quorum)
            {
                slow.CancelAfter(Linger);
            }
        }

        return await Task.WhenAll(asked).ConfigureAwait(false);
    }

    private static async Task<EvmResult<Address[]>> ListAsync(
        EvmClient client, ChainMembers members, ulong block, CancellationToken limit, CancellationToken cancel)
    {
        try
        {
            return members.Name is { } name
                ? await ListNameAsync(client, members.Contract, name, block, limit).ConfigureAwait(false)
                : await client.ListFleetAsync(members.Contract, block, limit).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(null, "too slow");
        }
    }

    private Address[] Propose(Agreement agreement, EvmResult<Address[]>[] lists)
    {
        Address[][] answered = [.. lists.Where(static l => l.IsOk).Select(static l => l.Value!)];
        int enough = Math.Min(quorum, answered.Length);
        ILookup<bool, Address> devices = answered.SelectMany(static list => list.Distinct()).GroupBy(static d => d)
            .ToLookup(g => g.Count() >= enough, static g => g.Key);
        return [.. devices[true], .. devices[false].Take(DoubtfulAnswers * SlotsPerProof(agreement))];
    }

    private static int SlotsPerProof(Agreement agreement) => agreement.Group.Min(static e => e.SlotsPerProof);

    // They agree on the block, so they see the same state: who lists another fleet lies, or is broken.
    private Agreement Judge(Agreement agreement, EvmResult<Address[]>[] lists, Func<Address[], bool> isRight, string by)
    {
        ChainEndpoint[] liars = [.. agreement.Group.Where((_, i) => lists[i].IsOk && !isRight(lists[i].Value!))];
        foreach (ChainEndpoint liar in liars)
        {
            standings.Contradicted(liar, $"{by} contradicted what it says about a fleet at block {Number(agreement)}");
        }

        return agreement with { Doubted = [.. agreement.Doubted, .. liars] };
    }

    private static string Contradicting(IReadOnlyCollection<ChainEndpoint> doubted) =>
        doubted.Count == 0 ? "" : $"; contradicted by {string.Join(", ", doubted.Select(static e => e.Name))}";

    private static string Dissent(Agreement agreement) => Contradicting(agreement.Doubted)
        + (agreement.Others.Count == 0 ? "" : $"; another block at {string.Join(", ", agreement.Others.Select(static e => e.Name))}");

    private static ChainFleetReading Reading(
        EvmHeader header, ImmutableArray<Address> devices, FleetAssurance assurance, string text, Hash256? root) =>
        new(header.Number, DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(header.Timestamp, (ulong)int.MaxValue * 2)), devices, assurance, text, root);

    // A proof is worth what its header is worth.
    private FleetAssurance ProvenAssurance() => quorum == 1 ? FleetAssurance.OneRelay : FleetAssurance.Proven;

    private string ProvenText(Agreement agreement) => quorum == 1
        ? $"proven at block {Number(agreement)} which one {agreement.Noun} ({agreement.Group[0].Name}) vouches for{Dissent(agreement)}"
        : $"proven at block {Number(agreement)} on which {agreement.Group.Count} of {agreement.All} {agreement.Noun}s agree{Dissent(agreement)}";

    private static string AgreedText(Agreement agreement, int agreeing) =>
        $"{agreeing} of {agreement.All} {agreement.Noun}s agree at block {Number(agreement)}{Dissent(agreement)}";

    private static string Number(Agreement agreement) => agreement.Header.Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>How far the endpoints are.</summary>
    /// <param name="All">All there are.</param>
    /// <param name="Noun">What they are.</param>
    /// <param name="Doubted">Those whose word does not count: they were contradicted.</param>
    /// <param name="Asked">Those that are asked.</param>
    /// <param name="Told">The newest block of each of those.</param>
    /// <param name="Target">The newest block that enough of them have.</param>
    private sealed record Heads(
        IReadOnlyList<ChainEndpoint> All, string Noun, ChainEndpoint[] Doubted, ChainEndpoint[] Asked, EvmResult<ulong>[] Told, ulong Target);

    /// <summary>Who agrees on which block.</summary>
    /// <param name="Header">The header that they all tell.</param>
    /// <param name="Group">Who tells it.</param>
    /// <param name="All">How many endpoints there are.</param>
    /// <param name="Noun">What they are.</param>
    /// <param name="Doubted">Those whose word does not count: they were contradicted.</param>
    /// <param name="Others">Those that tell another header.</param>
    private sealed record Agreement(
        EvmHeader Header, IReadOnlyList<ChainEndpoint> Group, int All, string Noun, IReadOnlyList<ChainEndpoint> Doubted, IReadOnlyList<ChainEndpoint> Others);
}

/// <summary>A call of a function that changes nothing.</summary>
/// <param name="To">The contract.</param>
/// <param name="Data">Call data.</param>
/// <param name="From">Who seems to call; null for nobody.</param>
/// <param name="Refusal">A word in a refusal that those who refuse have to agree on; null for none.</param>
internal readonly record struct ChainCall(Address To, byte[] Data, Address? From = null, string? Refusal = null);

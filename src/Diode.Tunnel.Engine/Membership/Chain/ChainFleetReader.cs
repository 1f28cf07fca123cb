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
/// <param name="endpoints">One client for each independent endpoint, and its name.</param>
/// <param name="quorum">How many endpoints have to agree, at least 1.</param>
internal sealed class ChainFleetReader(IReadOnlyList<(string Name, EvmClient Client)> endpoints, int quorum)
{
    private const int SlotsPerProof = 200;

    // Devices that too few endpoints list are proven too, but not any number of inventions.
    private const int MaxDoubtful = 1000;

    // What an endpoint that dawdles may cost once enough others have answered.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);
    private static readonly Hash256 One = StorageSlots.At(1);

    /// <summary>Reads the contract.</summary>
    /// <param name="fleet">The contract.</param>
    /// <param name="last">What was read before; its block is never undercut.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The reading, or why there is none.</returns>
    public async Task<EvmResult<ChainFleetReading>> ReadAsync(Address fleet, ChainFleetReading? last, CancellationToken cancel)
    {
        EvmResult<(EvmHeader Header, List<(string Name, EvmClient Client)> Group)> agreed = await AgreeAsync(cancel).ConfigureAwait(false);
        if (!agreed.IsOk)
        {
            return agreed.As<ChainFleetReading>();
        }

        (EvmHeader header, List<(string Name, EvmClient Client)> group) = agreed.Value;
        if (last is not null && header.Number < last.Block)
        {
            return new(null, $"the endpoints are at block {header.Number}, before {last.Block} that was read already");
        }

        EvmResult<AccountState> account = await ProveAccountAsync(fleet, header, group, cancel).ConfigureAwait(false);
        if (account.IsOk)
        {
            return await ReadProvenAsync(fleet, header, group, account.Value, last, cancel).ConfigureAwait(false);
        }

        return account.IsRefusal
            ? account.As<ChainFleetReading>()
            : await ReadAgreedAsync(fleet, header, group, cancel).ConfigureAwait(false);
    }

    private async Task<EvmResult<(EvmHeader Header, List<(string Name, EvmClient Client)> Group)>> AgreeAsync(CancellationToken cancel)
    {
        EvmResult<ulong>[] heads = await Task.WhenAll(
            endpoints.Select(e => e.Client.GetBlockNumberAsync(cancel).AsTask())).ConfigureAwait(false);
        ulong[] heights = [.. heads.Where(static h => h.IsOk).Select(static h => h.Value).OrderDescending()];
        if (heights.Length < quorum)
        {
            string reason = heads.Select(static h => h.Failure).FirstOrDefault(static f => f is not null) ?? "none is configured";
            return new(default, $"{heights.Length} of {endpoints.Count} endpoints answer, {quorum} have to: {reason}");
        }

        // The newest block that enough of them have. One that boasts of a higher number, or hides new blocks, changes nothing.
        ulong target = heights[quorum - 1];
        EvmResult<EvmHeader>[] headers = await Task.WhenAll(endpoints.Select((e, i) => heads[i].IsOk && heads[i].Value >= target
            ? e.Client.GetHeaderAsync(target, cancel).AsTask()
            : Task.FromResult(new EvmResult<EvmHeader>(null, "behind")))).ConfigureAwait(false);
        IGrouping<Hash256, int>? best = Enumerable.Range(0, endpoints.Count)
            .Where(i => headers[i].IsOk)
            .GroupBy(i => headers[i].Value!.Hash)
            .MaxBy(static g => g.Count());
        if (best is null || best.Count() < quorum)
        {
            return new(default, $"the endpoints disagree about block {target}: {best?.Count() ?? 0} of {endpoints.Count} agree, {quorum} have to");
        }

        return new((headers[best.First()].Value!, [.. best.Select(i => endpoints[i])]), null);
    }

    // A refusal means the contract is not there; any other failure that nobody gives proofs.
    private static async Task<EvmResult<AccountState>> ProveAccountAsync(
        Address fleet, EvmHeader header, List<(string Name, EvmClient Client)> group, CancellationToken cancel)
    {
        foreach ((_, EvmClient client) in group)
        {
            EvmResult<EvmProof> proof = await client.GetProofAsync(fleet, [], header.Number, cancel).ConfigureAwait(false);
            if (!proof.IsOk)
            {
                continue;
            }

            switch (AccountState.Verify(header.StateRoot, fleet, proof.Value.Account, out AccountState? account))
            {
                case ProofVerdict.Present when account!.IsContract:
                    return new(account, null);
                case ProofVerdict.Present or ProofVerdict.Absent:
                    return new(null, $"there is no contract at {fleet}", IsRefusal: true);
            }
        }

        return new(null, "no endpoint gives proofs");
    }

    private async Task<EvmResult<ChainFleetReading>> ReadProvenAsync(
        Address fleet,
        EvmHeader header,
        List<(string Name, EvmClient Client)> group,
        AccountState account,
        ChainFleetReading? last,
        CancellationToken cancel)
    {
        if (last?.StorageRoot == account.StorageRoot)
        {
            return new(Reading(header, last.Devices, ProvenAssurance(), ProvenText(header, group, ""), account.StorageRoot), null);
        }

        // Endpoints only propose devices, so those of all of them are taken together; admission is by proof alone.
        EvmResult<Address[]>[] lists = await ListAllAsync(fleet, header, group, cancel).ConfigureAwait(false);
        if (!lists.Any(static l => l.IsOk))
        {
            return lists[0].As<ChainFleetReading>();
        }

        Address[] proposed = Propose(lists);
        HashSet<Address> proven = [];
        foreach (Address[] batch in proposed.Chunk(SlotsPerProof))
        {
            if (!await ProveBatchAsync(fleet, header, group, account, batch, proven, cancel).ConfigureAwait(false))
            {
                return new(null, "no endpoint proves who is in the fleet");
            }
        }

        string liars = Liars(group, lists, list => list.All(proven.Contains) && proven.Count <= list.Length);
        return new(
            Reading(header, [.. proposed.Where(proven.Contains)], ProvenAssurance(), ProvenText(header, group, liars), account.StorageRoot), null);
    }

    private static async Task<bool> ProveBatchAsync(
        Address fleet,
        EvmHeader header,
        List<(string Name, EvmClient Client)> group,
        AccountState account,
        Address[] batch,
        HashSet<Address> proven,
        CancellationToken cancel)
    {
        Hash256[] slots = [.. batch.Select(StorageSlots.FleetMember)];
        foreach ((_, EvmClient client) in group)
        {
            EvmResult<EvmProof> proof = await client.GetProofAsync(fleet, slots, header.Number, cancel).ConfigureAwait(false);
            if (!proof.IsOk)
            {
                continue;
            }

            var admitted = new List<Address>();
            int i = 0;
            while (i < slots.Length && AccountState.TryVerifyStorage(account.StorageRoot, slots[i], proof.Value.Storage[i], out Hash256 value))
            {
                if (value == One)
                {
                    admitted.Add(batch[i]);
                }

                i++;
            }

            if (i == slots.Length)
            {
                proven.UnionWith(admitted);
                return true;
            }
        }

        return false;
    }

    private async Task<EvmResult<ChainFleetReading>> ReadAgreedAsync(
        Address fleet, EvmHeader header, List<(string Name, EvmClient Client)> group, CancellationToken cancel)
    {
        EvmResult<Address[]>[] lists = await ListAllAsync(fleet, header, group, cancel).ConfigureAwait(false);
        int answered = lists.Count(static l => l.IsOk);
        if (answered < quorum)
        {
            EvmResult<Address[]> failed = lists.First(static l => !l.IsOk);
            return new(null, $"{answered} of {endpoints.Count} endpoints list the fleet, {quorum} have to: {failed.Failure}", failed.IsRefusal);
        }

        Address[] devices = [.. lists.Where(static l => l.IsOk).SelectMany(static l => l.Value!.Distinct())
            .GroupBy(static d => d).Where(g => g.Count() >= quorum).Select(static g => g.Key)];
        HashSet<Address> admitted = [.. devices];
        int agreeing = lists.Count(l => l.IsOk && admitted.SetEquals(l.Value!));
        string liars = Liars(group, lists, admitted.SetEquals);
        string text = quorum == 1
            ? $"one endpoint ({group[0].Name}) at block {Number(header)}"
            : $"{agreeing} of {endpoints.Count} endpoints agree at block {Number(header)}{liars}";
        return new(Reading(header, [.. devices], quorum == 1 ? FleetAssurance.OneRelay : FleetAssurance.RelaysAgree, text, null), null);
    }

    private async Task<EvmResult<Address[]>[]> ListAllAsync(
        Address fleet, EvmHeader header, List<(string Name, EvmClient Client)> group, CancellationToken cancel)
    {
        using var slow = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task<EvmResult<Address[]>>[] asked = [.. group.Select(e => ListAsync(e.Client, fleet, header.Number, slow.Token, cancel))];
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
        EvmClient client, Address fleet, ulong block, CancellationToken limit, CancellationToken cancel)
    {
        try
        {
            return await client.ListFleetAsync(fleet, block, limit).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(null, "too slow");
        }
    }

    private Address[] Propose(EvmResult<Address[]>[] lists)
    {
        Address[][] answered = [.. lists.Where(static l => l.IsOk).Select(static l => l.Value!)];
        int enough = Math.Min(quorum, answered.Length);
        ILookup<bool, Address> devices = answered.SelectMany(static list => list.Distinct()).GroupBy(static d => d)
            .ToLookup(g => g.Count() >= enough, static g => g.Key);
        return [.. devices[true], .. devices[false].Take(MaxDoubtful)];
    }

    private static string Liars(
        List<(string Name, EvmClient Client)> group, EvmResult<Address[]>[] lists, Func<Address[], bool> isRight)
    {
        string[] names = [.. group.Where((_, i) => lists[i].IsOk && !isRight(lists[i].Value!)).Select(static e => e.Name)];
        return names.Length == 0 ? "" : $"; contradicted by {string.Join(", ", names)}";
    }

    private static ChainFleetReading Reading(
        EvmHeader header, ImmutableArray<Address> devices, FleetAssurance assurance, string text, Hash256? root) =>
        new(header.Number, DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(header.Timestamp, (ulong)int.MaxValue * 2)), devices, assurance, text, root);

    // A proof is worth what its header is worth.
    private FleetAssurance ProvenAssurance() => quorum == 1 ? FleetAssurance.OneRelay : FleetAssurance.Proven;

    private string ProvenText(EvmHeader header, List<(string Name, EvmClient Client)> group, string liars) => quorum == 1
        ? $"proven at block {Number(header)} which one endpoint ({group[0].Name}) vouches for{liars}"
        : $"proven at block {Number(header)} on which {group.Count} of {endpoints.Count} endpoints agree{liars}";

    private static string Number(EvmHeader header) => header.Number.ToString(CultureInfo.InvariantCulture);
}

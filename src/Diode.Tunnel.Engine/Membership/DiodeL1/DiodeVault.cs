using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>
/// The storage of one account of Diode L1 at one final block, every link of the way to it verified (diode-blockquick §12.5). A relay
/// whose answers do not verify is contradicted when another one's do. Thread-safe; only cancellation throws.
/// </summary>
internal sealed class DiodeVault
{
    private readonly DiodeHead _head;
    private readonly Address _account;
    private readonly Hash256[] _roots;
    private readonly EndpointStandings _standings;

    private DiodeVault(DiodeHead head, Address account, ProvenAccount proven, Hash256[] roots, EndpointStandings standings)
    {
        _head = head;
        _account = account;
        _roots = roots;
        _standings = standings;
        Account = proven;
    }

    /// <summary>The account.</summary>
    public ProvenAccount Account { get; }

    /// <summary>Proves the account and the roots of its storage.</summary>
    /// <returns>The storage, else why there is none.</returns>
    public static async Task<(DiodeVault? Vault, EvmResult<ChainFleetReading> Failure)> OpenAsync(
        DiodeHead head, Address account, EndpointStandings standings, CancellationToken cancel)
    {
        DiodeAnswer<Hash256[]> stateRoots = await AskAsync(
            head, standings, r => r.GetStateRootsAsync(head.Block, cancel)).ConfigureAwait(false);
        DiodeAnswer<ProvenAccount> proven = !stateRoots.IsOk ? stateRoots.As<ProvenAccount>() : await AskAsync(
            head, standings, r => r.GetAccountAsync(head.Block, stateRoots.Value!, account, cancel)).ConfigureAwait(false);
        if (proven is { IsOk: true, Value.IsContract: false })
        {
            return (null, new(null, $"there is no contract at {account}", IsRefusal: true));
        }

        DiodeAnswer<Hash256[]> roots = !proven.IsOk ? proven.As<Hash256[]>() : await AskAsync(
            head, standings, r => r.GetStorageRootsAsync(head.Block, account, proven.Value!.StorageRoot, cancel)).ConfigureAwait(false);
        return roots.IsOk
            ? (new DiodeVault(head, account, proven.Value!, roots.Value!, standings), default)
            : (null, new(null, $"no relay proves {account} at block {head.Block.Number}: {roots.Problem}"));
    }

    /// <summary>The words in these slots.</summary>
    public async Task<EvmResult<Hash256[]>> ReadAsync(IReadOnlyList<Hash256> slots, CancellationToken cancel)
    {
        var words = new Hash256[slots.Count];
        string? problem = null;

        // Each relay has as many questions under way as it may have; more of them waiting would only take room.
        await Parallel.ForAsync(
            0, slots.Count, new ParallelOptions { MaxDegreeOfParallelism = DiodeRelay.QuestionsAtOnce, CancellationToken = cancel },
            async (i, token) =>
            {
                if (Volatile.Read(ref problem) is not null)
                {
                    return;
                }

                DiodeAnswer<Hash256> word = await AskAsync(
                    _head, _standings, r => r.GetValueAsync(_head.Block, _account, Account, _roots, slots[i], token)).ConfigureAwait(false);
                words[i] = word.Value;
                if (!word.IsOk)
                {
                    Volatile.Write(ref problem, word.Problem);
                }
            }).ConfigureAwait(false);
        return problem is null ? new(words, null) : new(null, $"no relay proves the storage of {_account} at block {_head.Block.Number}: {problem}");
    }

    // One after the other: what one proves needs no second.
    private static async Task<DiodeAnswer<T>> AskAsync<T>(
        DiodeHead head, EndpointStandings standings, Func<DiodeRelay, Task<DiodeAnswer<T>>> ask)
    {
        List<(DiodeRelay Relay, string Reason)> liars = [];
        DiodeAnswer<T> answer = new(default, "no relay is connected");
        foreach (DiodeRelay relay in head.Relays)
        {
            answer = await ask(relay).ConfigureAwait(false);
            if (answer.IsOk)
            {
                foreach ((DiodeRelay liar, string reason) in liars.Where(l => !standings.IsDoubted(l.Relay.Endpoint)))
                {
                    standings.Contradicted(liar.Endpoint, $"{reason}, another relay's does");
                }

                return answer;
            }

            if (answer.IsLie)
            {
                liars.Add((relay, answer.Problem!));
            }
        }

        return answer with { Problem = $"{head.Relays[^1].Endpoint.Name}: {answer.Problem}" };
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>
/// A relay that is asked about Diode L1 (diode-edge §3.4), with the blocks of its branch that are not final yet. Thread-safe but for
/// what belongs to <see cref="DiodeChain"/>: <see cref="Branch"/>, <see cref="HasFailed"/>, <see cref="ToldThen"/>.
/// </summary>
/// <param name="relay">The session.</param>
/// <param name="endpoint">How it is called, and how it stands.</param>
/// <param name="timeout">For an answer.</param>
internal sealed class DiodeRelay(IChainRelay relay, ChainEndpoint endpoint, TimeSpan timeout)
{
    /// <summary>Questions of a kind under way at the same time.</summary>
    public const int QuestionsAtOnce = 8;

    /// <summary>How it is called, and how it stands.</summary>
    public ChainEndpoint Endpoint => endpoint;

    /// <summary>Blocks above the last final one as this relay tells them, each the child of the one before.</summary>
    public List<BlockHeader> Branch { get; } = [];

    /// <summary>Whether it was of no help when it was last asked to show blocks; belongs to <see cref="DiodeChain"/>, too.</summary>
    public bool HasFailed { get; set; }

    /// <summary>
    /// The newest block that it told of by itself, which is a hint, not more; null if it does not. The first look has it tell.
    /// </summary>
    public ulong? Told => endpoint.Blocks?.Newest;

    /// <summary>What <see cref="Told"/> was when it was last asked to show blocks.</summary>
    public ulong? ToldThen { get; set; }

    /// <summary>Number of its newest block.</summary>
    public Task<DiodeAnswer<ulong>> GetPeakAsync(CancellationToken cancel)
    {
        return AskAsync(
            "getblockpeak", static _ => { },
            static (RlpReader items, out ulong peak) => items.TryReadUInt64(out peak) && items.IsEmpty, cancel);
    }

    /// <summary>A header, its hash computed and its signature checked.</summary>
    public Task<DiodeAnswer<BlockHeader>> GetHeaderAsync(ulong number, CancellationToken cancel)
    {
        return AskAsync(
            string.Create(CultureInfo.InvariantCulture, $"getblockheader2 {number}"),
            rlp => rlp.WriteUInt64(number),
            (RlpReader items, [NotNullWhen(true)] out BlockHeader? header) =>
            {
                header = null;
                return items.TryReadList(out RlpReader pairs)
                    && items.TryReadBytes(out ReadOnlySpan<byte> miner)
                    && items.IsEmpty
                    && BlockHeaderReader.TryRead(pairs, miner, out header)
                    && header.Number == number;
            },
            cancel);
    }

    /// <summary>Headers in the order of their numbers; none if one of them fails.</summary>
    public async Task<DiodeAnswer<List<BlockHeader>>> GetHeadersAsync(IReadOnlyCollection<ulong> numbers, CancellationToken cancel)
    {
        using var slots = new SemaphoreSlim(QuestionsAtOnce);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        DiodeAnswer<List<BlockHeader>> failure = default;
        DiodeAnswer<BlockHeader>[] answers = await Task.WhenAll(numbers.Select(async number =>
        {
            try
            {
                await slots.WaitAsync(failed.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                return new(null, "not asked");
            }

            try
            {
                DiodeAnswer<BlockHeader> answer = await GetHeaderAsync(number, failed.Token).ConfigureAwait(false);
                if (!answer.IsOk && !failed.IsCancellationRequested)
                {
                    failure = answer.As<List<BlockHeader>>();
                    await failed.CancelAsync().ConfigureAwait(false);
                }

                return answer;
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                return new(null, "not awaited");
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        return answers.All(static a => a.IsOk) ? new([.. answers.Select(static a => a.Value!)], null) : failure;
    }

    /// <summary>Numbers of blocks whose miners have enough votes in the window that ends in <paramref name="last"/>.</summary>
    public Task<DiodeAnswer<List<ulong>>> GetQuickAsync(ulong last, int window, int most, CancellationToken cancel)
    {
        return AskAsync(
            "getblockquick2",
            rlp =>
            {
                rlp.WriteUInt64(last);
                rlp.WriteUInt64((ulong)window);
            },
            (RlpReader items, [NotNullWhen(true)] out List<ulong>? numbers) =>
            {
                numbers = [];
                bool isRead = items.TryReadList(out RlpReader list) && items.IsEmpty;
                while (isRead && !list.IsEmpty)
                {
                    isRead = list.TryReadUInt64(out ulong number) && number > (numbers.Count > 0 ? numbers[^1] : last) && numbers.Count < most;
                    numbers.Add(number);
                }

                return isRead;
            },
            cancel);
    }

    /// <summary>The roots of the accounts after a block.</summary>
    public Task<DiodeAnswer<Hash256[]>> GetStateRootsAsync(BlockHeader block, CancellationToken cancel)
    {
        return AskAsync("getstateroots", rlp => rlp.WriteUInt64(block.Number), RootsOf(block.Fields.StateHash), cancel);
    }

    /// <summary>An account after a block, proven by the roots.</summary>
    public Task<DiodeAnswer<ProvenAccount>> GetAccountAsync(BlockHeader block, Hash256[] roots, Address account, CancellationToken cancel)
    {
        return AskAsync(
            "getaccount",
            rlp =>
            {
                rlp.WriteUInt64(block.Number);
                rlp.WriteAddress(account);
            },
            (RlpReader items, [NotNullWhen(true)] out ProvenAccount? proven) =>
                ProvenAccount.TryRead(block.Fields.StateHash, roots, account, items, out proven),
            cancel);
    }

    /// <summary>The roots of an account's storage after a block.</summary>
    public Task<DiodeAnswer<Hash256[]>> GetStorageRootsAsync(BlockHeader block, Address account, Hash256 storageRoot, CancellationToken cancel)
    {
        return AskAsync(
            "getaccountroots",
            rlp =>
            {
                rlp.WriteUInt64(block.Number);
                rlp.WriteAddress(account);
            },
            RootsOf(storageRoot),
            cancel);
    }

    /// <summary>A word of an account's storage after a block, proven by the roots; zero if it is absent.</summary>
    public Task<DiodeAnswer<Hash256>> GetValueAsync(
        BlockHeader block, Address account, ProvenAccount proven, Hash256[] roots, Hash256 slot, CancellationToken cancel)
    {
        return AskAsync(
            "getaccountvalue",
            rlp =>
            {
                rlp.WriteUInt64(block.Number);
                rlp.WriteAddress(account);
                rlp.WriteHash(slot);
            },
            (RlpReader items, out Hash256 value) =>
            {
                value = default;
                return items.TryReadRaw(out ReadOnlySpan<byte> proof) && items.IsEmpty && proven.TryReadValue(roots, slot, proof, out value);
            },
            cancel);
    }

    private static Read<Hash256[]> RootsOf(Hash256 hash) => (RlpReader items, [NotNullWhen(true)] out Hash256[]? roots) =>
    {
        roots = new Hash256[StateTree.RootCount];
        bool isRead = items.TryReadList(out RlpReader list) && items.IsEmpty;
        for (int i = 0; isRead && i < roots.Length; i++)
        {
            isRead = list.TryReadHash(out roots[i]);
        }

        return isRead && list.IsEmpty && StateTree.HashRoots(roots) == hash;
    };

    private async Task<DiodeAnswer<T>> AskAsync<T>(string question, Action<RlpWriter> arguments, Read<T> read, CancellationToken cancel)
    {
        try
        {
            string command = question.Split(' ')[0];
            var answered = new TaskCompletionSource<(string? Problem, byte[]? Items)>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!relay.CallDiode(command, arguments, (problem, items) => answered.TrySetResult((problem, items))))
            {
                return new(default, "the relay is not connected, or too much is asked of it");
            }

            (string? problem, byte[]? items) = await answered.Task.WaitAsync(timeout, cancel).ConfigureAwait(false);
            return items is null ? new(default, problem ?? "no answer")
                : read(new RlpReader(items), out T? value) ? new(value, null)
                : new(default, $"its answer to {question} does not verify", IsLie: true);
        }
        catch (TimeoutException)
        {
            return new(default, $"no answer within {timeout.TotalSeconds:0.#} s");
        }
    }

    private delegate bool Read<T>(RlpReader items, [NotNullWhen(true)] out T? value);
}

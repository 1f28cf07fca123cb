using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Transactions;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// Writes to a chain. Nothing an endpoint says about fees or numbers is taken from it alone: the middle of what all say is, so that one
/// of them can neither make a transaction expensive nor useless. Whoever asked has seen the price before anything is signed.
/// </summary>
/// <param name="chain">The chain.</param>
/// <param name="endpoints">Who is asked, and told the transaction.</param>
/// <param name="quorum">How many have to confirm that it is in a block; fewer where there are fewer.</param>
/// <param name="time">The clock.</param>
internal sealed class ChainWriter(ChainAccess chain, IReadOnlyList<ChainEndpoint> endpoints, int quorum, TimeProvider time)
{
    private const ulong DiodeChainId = 15;

    // An estimate is of the state now; a fee rises by at most an eighth per block (EIP-1559).
    private const int GasMargin = 5;
    private const int FeeMargin = 4;
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    /// <summary>Finds out what a transaction would cost.</summary>
    /// <param name="from">Who would sign.</param>
    /// <param name="to">The contract; null creates one.</param>
    /// <param name="data">Call data or creation code.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<EvmResult<(EthereumTransaction Transaction, BigInteger Balance)>> PrepareAsync(
        Address from, Address? to, byte[] data, CancellationToken cancel)
    {
        if (endpoints.Count == 0)
        {
            return new(default, "nobody can be asked: no relay is connected and no endpoint configured");
        }

        Task<EvmResult<BigInteger>> gas = MiddleAsync(endpoints, c => c.EstimateGasAsync(from, to, data, cancel));
        Task<EvmResult<BigInteger>> nonce = MiddleAsync(endpoints, c => c.GetNonceAsync(from, cancel));
        Task<EvmResult<BigInteger>> price = MiddleAsync(endpoints, c => c.GetGasPriceAsync(cancel));
        Task<EvmResult<BigInteger>> tip = MiddleAsync(endpoints, c => c.GetPriorityFeeAsync(cancel));
        Task<EvmResult<BigInteger>> balance = MiddleAsync(endpoints, c => c.GetBalanceAsync(from, cancel));
        EvmResult<BigInteger>[] needed = await Task.WhenAll(gas, nonce, price, balance).ConfigureAwait(false);
        EvmResult<BigInteger> tipped = await tip.ConfigureAwait(false);
        EvmResult<BigInteger>? failed = needed.Any(static r => !r.IsOk) ? needed.First(static r => !r.IsOk) : null;
        if (failed is { } failure)
        {
            return failure.As<(EthereumTransaction, BigInteger)>();
        }

        if (needed[0].Value > int.MaxValue || needed[1].Value > ulong.MaxValue)
        {
            return new(default, "the endpoints tell numbers that cannot be");
        }

        // Without EIP-1559, and where gas is free, the older form is taken everywhere.
        BigInteger fee = needed[2].Value;
        bool isDynamic = tipped.IsOk && !fee.IsZero && chain.ChainId != DiodeChainId;
        return new((
            new EthereumTransaction
            {
                ChainId = chain.ChainId,
                Nonce = (ulong)needed[1].Value,
                To = to,
                Data = data,
                GasLimit = (ulong)(needed[0].Value + (needed[0].Value / GasMargin)),
                GasPrice = fee + (fee / FeeMargin),
                MaxPriorityFee = isDynamic ? BigInteger.Min(tipped.Value, fee) : null,
            },
            needed[3].Value), null);
    }

    /// <summary>Signs, sends to everybody and waits until the transaction is in a block.</summary>
    /// <returns>Its name, and whether it succeeded; null for what is not in a block in time.</returns>
    public async Task<EvmResult<(Hash256 Name, bool? Succeeded)>> SendAsync(
        EthereumTransaction transaction, PrivateKey key, TimeSpan patience, CancellationToken cancel)
    {
        SignedTransaction signed = transaction.Sign(key);
        Hash256 name = chain.ChainId == DiodeChainId ? new Hash256(SHA256.HashData(signed.Raw)) : signed.Hash;
        EvmResult<Hash256>[] told = await Task.WhenAll(endpoints.Select(e => e.Client.SendAsync(signed.Raw, cancel).AsTask())).ConfigureAwait(false);
        if (!told.Any(static t => t.IsOk || IsKnown(t.Failure)))
        {
            return told.First(static t => !t.IsOk).As<(Hash256, bool?)>();
        }

        long started = time.GetTimestamp();
        while (true)
        {
            EvmResult<bool?>[] outcomes = await Task.WhenAll(
                endpoints.Select(e => e.Client.GetOutcomeAsync(name, cancel).AsTask())).ConfigureAwait(false);
            foreach (bool outcome in (ReadOnlySpan<bool>)[true, false])
            {
                if (outcomes.Count(o => o.IsOk && o.Value == outcome) >= Math.Min(quorum, endpoints.Count))
                {
                    return new((name, outcome), null);
                }
            }

            if (time.GetElapsedTime(started) > patience)
            {
                return new((name, null), null);
            }

            await Task.Delay(PollInterval, time, cancel).ConfigureAwait(false);
        }
    }

    // Sent to several who tell each other: the second one has it already.
    private static bool IsKnown(string? failure) => failure is not null
        && (failure.Contains("already", StringComparison.OrdinalIgnoreCase) || failure.Contains("known", StringComparison.OrdinalIgnoreCase));

    /// <summary>The middle of what all endpoints say.</summary>
    internal static async Task<EvmResult<BigInteger>> MiddleAsync(
        IReadOnlyList<ChainEndpoint> endpoints, Func<EvmClient, ValueTask<EvmResult<BigInteger>>> ask)
    {
        EvmResult<BigInteger>[] answers = await Task.WhenAll(endpoints.Select(e => ask(e.Client).AsTask())).ConfigureAwait(false);
        if (answers.Length == 0)
        {
            return new(default, "nobody can be asked: no relay is connected and no endpoint configured");
        }

        EvmResult<BigInteger>[] told = [.. answers.Where(static a => a.IsOk).OrderBy(static a => a.Value)];

        // What the chain itself refuses (a call that reverts) is no matter of votes, unless somebody says otherwise.
        return told.Length > 0 ? told[told.Length / 2]
            : answers.Any(static a => a.IsRefusal) ? answers.First(static a => a.IsRefusal)
            : answers[0];
    }
}

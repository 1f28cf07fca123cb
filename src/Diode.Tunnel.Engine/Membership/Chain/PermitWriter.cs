using System.Numerics;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Transactions;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// Writes to a chain at a relay's expense (<c>PREFIX:sendmetatransaction</c>). A relay can refuse or do nothing, but not change what was
/// signed; that it was done is not taken from the relay, but from the contract that counts permits.
/// </summary>
/// <param name="chain">The chain.</param>
/// <param name="endpoints">Who is asked about the chain.</param>
/// <param name="relays">Who may pay, in the order they are asked.</param>
/// <param name="quorum">How many have to see it done; fewer where there are fewer.</param>
/// <param name="time">The clock.</param>
internal sealed class PermitWriter(
    ChainAccess chain, IReadOnlyList<ChainEndpoint> endpoints, IReadOnlyList<IChainRelay> relays, int quorum, TimeProvider time)
{
    // An estimate is of the state now.
    private const int GasMargin = 5;
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // Long enough for a user to say yes and for a few blocks; whoever keeps a permit back can use it no longer.
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    /// <summary>Who may pay.</summary>
    public IEnumerable<string> Relays => relays.Select(RelayRpcTransport.NameOf);

    /// <summary>Prepares a call; nothing is signed.</summary>
    public async Task<EvmResult<CallPermit>> PrepareAsync(Address from, Address to, byte[] data, CancellationToken cancel)
    {
        if (relays.Count == 0)
        {
            return new(null, "no relay is connected");
        }

        Task<EvmResult<BigInteger>> gas = ChainWriter.MiddleAsync(endpoints, c => c.EstimateGasAsync(from, to, data, cancel));
        EvmResult<BigInteger> nonce = await ChainWriter.MiddleAsync(endpoints, c => ReadNonceAsync(c, from, cancel)).ConfigureAwait(false);
        EvmResult<BigInteger> estimate = await gas.ConfigureAwait(false);
        if (!nonce.IsOk || !estimate.IsOk)
        {
            return (nonce.IsOk ? estimate : nonce).As<CallPermit>();
        }

        return estimate.Value > int.MaxValue ? new(null, "the endpoints tell numbers that cannot be") : new(
            new CallPermit
            {
                ChainId = chain.ChainId,
                From = from,
                To = to,
                Data = data,
                GasLimit = (ulong)(estimate.Value + (estimate.Value / GasMargin)),
                Nonce = nonce.Value,
                Deadline = (ulong)(time.GetUtcNow() + Lifetime).ToUnixTimeSeconds(),
            }, null);
    }

    /// <summary>Signs, and asks one relay after the other until the permit is used.</summary>
    /// <returns>The name that the relay gives the transaction, and whether it was done in time.</returns>
    public async Task<EvmResult<(string Name, bool IsDone)>> SendAsync(CallPermit permit, PrivateKey key, TimeSpan patience, CancellationToken cancel)
    {
        byte[] signed = permit.Sign(key);
        List<string> refusals = [];
        string? told = null;
        foreach (IChainRelay relay in relays)
        {
            (string? problem, string? name) = await AskAsync(relay, signed, patience, cancel).ConfigureAwait(false);
            if (name is null)
            {
                refusals.Add($"{RelayRpcTransport.NameOf(relay)}: {problem}");
                continue;
            }

            told = name;
            if (await WaitUsedAsync(permit, patience / relays.Count, cancel).ConfigureAwait(false))
            {
                return new((name, true), null);
            }
        }

        return told is null ? new(default, string.Join("; ", refusals)) : new((told, false), null);
    }

    private async Task<(string? Problem, string? Name)> AskAsync(IChainRelay relay, byte[] signed, TimeSpan patience, CancellationToken cancel)
    {
        var answered = new TaskCompletionSource<(string? Problem, string? Name)>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!relay.SendMetaTransaction(chain.Prefix, signed, (problem, name) => answered.TrySetResult((problem, ReadName(name)))))
        {
            return ("not connected, or too much is asked of it", null);
        }

        try
        {
            return await answered.Task.WaitAsync(patience, time, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return ("no answer", null);
        }
    }

    // The relay's word, for people: nothing is decided by it.
    private static string? ReadName(byte[]? text)
    {
        const int longest = 80;
        return text is null ? null : new string([.. text.Take(longest).Where(static b => b is > 0x20 and < 0x7f).Select(static b => (char)b)]);
    }

    private async Task<bool> WaitUsedAsync(CallPermit permit, TimeSpan patience, CancellationToken cancel)
    {
        long started = time.GetTimestamp();
        while (true)
        {
            EvmResult<BigInteger>[] used = await Task.WhenAll(
                endpoints.Select(e => ReadNonceAsync(e.Client, permit.From, cancel).AsTask())).ConfigureAwait(false);
            if (used.Count(u => u.IsOk && u.Value > permit.Nonce) >= Math.Min(quorum, endpoints.Count))
            {
                return true;
            }

            if (time.GetElapsedTime(started) > patience)
            {
                return false;
            }

            await Task.Delay(PollInterval, time, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask<EvmResult<BigInteger>> ReadNonceAsync(EvmClient client, Address from, CancellationToken cancel)
    {
        EvmResult<byte[]> answer = await client.CallContractAsync(CallPermit.Contract, CallPermit.Nonces(from), null, cancel).ConfigureAwait(false);
        return !answer.IsOk ? answer.As<BigInteger>()
            : answer.Value.Length == Hash256.Length ? new(new BigInteger(answer.Value, isUnsigned: true, isBigEndian: true), null)
            : new(default, $"chain '{chain.Prefix}' has no contract for calls that others pay for", IsRefusal: true);
    }
}

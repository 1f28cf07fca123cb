using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Sapphire;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <content>
/// Confidential calls (diode-client §14.3). The key they are encrypted to has to be told by as many endpoints as have to agree on anything:
/// whoever could put its own key there could ask the question itself and read the answer. What comes back is proven by its encryption, so one
/// endpoint is enough to carry it.
/// </content>
internal sealed partial class ChainFleetReader
{
    // Of the Go client: the query may be asked for so many blocks, about 13 minutes.
    private const ulong LeashRange = 128;

    /// <summary>Calls a function as somebody, so that only the contract and the caller learn question and answer.</summary>
    /// <param name="chainId">The chain; part of what is signed.</param>
    /// <param name="to">The contract.</param>
    /// <param name="data">Call data.</param>
    /// <param name="signer">Who calls.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<EvmResult<byte[]>> QueryAsync(ulong chainId, Address to, byte[] data, PrivateKey signer, CancellationToken cancel)
    {
        EvmResult<Agreement> agreed = await AgreeAsync(cancel).ConfigureAwait(false);
        if (!agreed.IsOk)
        {
            return agreed.As<byte[]>();
        }

        Agreement agreement = agreed.Value;
        EvmResult<CallDataKey> key = await AgreeOnKeyAsync(agreement, cancel).ConfigureAwait(false);
        if (!key.IsOk)
        {
            return key.As<byte[]>();
        }

        EvmResult<BigInteger>[] nonces = await Task.WhenAll(
            agreement.Group.Select(e => e.Client.GetNonceAsync(signer.Address, cancel).AsTask())).ConfigureAwait(false);
        BigInteger[] known = [.. nonces.Where(static n => n.IsOk && n.Value <= ulong.MaxValue).Select(static n => n.Value).Order()];
        if (known.Length == 0)
        {
            return nonces[0].As<byte[]>();
        }

        SapphireQuery query = new()
        {
            ChainId = chainId,
            From = signer.Address,
            To = to,
            Data = data,
            Leash = new SapphireLeash(
                (ulong)known[known.Length / 2], agreement.Header.Number == 0 ? 0 : agreement.Header.Number - 1, agreement.Header.ParentHash, LeashRange),
        };
        return await SendAsync(query, key.Value, agreement, signer, cancel).ConfigureAwait(false);
    }

    private static async Task<EvmResult<byte[]>> SendAsync(
        SapphireQuery query, CallDataKey key, Agreement agreement, PrivateKey signer, CancellationToken cancel)
    {
        byte[] secret = RandomNumberGenerator.GetBytes(SapphireEnvelope.KeyLength);
        try
        {
            if (!SapphireEnvelope.TryCreate(
                key.Key.ToArray(), key.Epoch, secret, RandomNumberGenerator.GetBytes(DeoxysII.NonceLength), out SapphireEnvelope? envelope))
            {
                return new(null, $"the {agreement.Noun}s tell a key that is none");
            }

            using (envelope)
            {
                byte[] packed = query.Pack(signer, envelope.Encrypt(query.Data));
                string reason = "nobody was asked";
                foreach (ChainEndpoint endpoint in agreement.Group)
                {
                    EvmResult<byte[]> sent = await endpoint.Client.QueryAsync(query, packed, cancel).ConfigureAwait(false);
                    SapphireReply? reply = sent.IsOk ? envelope.ReadReply(sent.Value) : null;
                    if (reply is { IsOk: true })
                    {
                        return new(reply.Data, null);
                    }

                    reason = $"{endpoint.Name}: {reply?.Failure ?? sent.Failure}";
                    if (reply is { IsRefusal: true })
                    {
                        return new(null, reply.Failure, IsRefusal: true);
                    }
                }

                return new(null, reason);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private async Task<EvmResult<CallDataKey>> AgreeOnKeyAsync(Agreement agreement, CancellationToken cancel)
    {
        EvmResult<CallDataKey>[] keys = await Task.WhenAll(
            agreement.Group.Select(e => e.Client.GetCallDataKeyAsync(cancel).AsTask())).ConfigureAwait(false);
        IGrouping<CallDataKey, EvmResult<CallDataKey>>? best = keys.Where(static k => k.IsOk).GroupBy(static k => k.Value).MaxBy(static g => g.Count());
        if (best is not null && best.Count() >= quorum)
        {
            return new(best.Key, null);
        }

        string reason = keys.Select(static k => k.Failure).FirstOrDefault(static f => f is not null) ?? "they contradict each other";
        return new(default, $"{best?.Count() ?? 0} of {agreement.All} {agreement.Noun}s tell the same key for confidential calls, {quorum} have to: {reason}");
    }
}

using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>
/// Sends what clients signed in transactions that the relay pays for (diode-contracts §11.9). One at a time, so that
/// nonces are in order; each is tried by a call first. Thread-safe.
/// </summary>
internal sealed class MetaTransactions(ChainReader reader, PrivateKey key) : IDisposable
{
    private const ulong DefaultGas = 1_000_000;
    private const ulong WrappingGas = 100_000;
    private const ulong MostGas = 10_000_000;
    private const int MostWaiting = 64;

    private static readonly Address CallPermit = Address.Parse("0x000000000000000000000000000000000000080a");
    private static readonly Address DriveFactory = Address.Parse("0x1E568739AF8FD8FE0748DEFB74A917EA9D38FE29");

    private readonly SemaphoreSlim _turn = new(1, 1);
    private int _waiting;

    /// <summary>Sends one; the hash of the transaction as text, or null when it was rejected.</summary>
    public async ValueTask<string?> SendAsync(ReadOnlyMemory<byte> request, CancellationToken cancel)
    {
        // Calls on Sapphire have to be encrypted, which this relay does not do.
        if (reader.Chain.Prefix == "sapphire" || !TryRead(request.Span, out Call call))
        {
            return null;
        }

        if (Interlocked.Increment(ref _waiting) > MostWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            return null;
        }

        try
        {
            await _turn.WaitAsync(cancel);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }

        try
        {
            return await SendAsync(call, cancel);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _turn.Dispose();
    }

    private async ValueTask<string?> SendAsync(Call call, CancellationToken cancel)
    {
        Address sender = key.Address;
        string trial = $"[{{\"to\":\"{call.To}\",\"from\":\"{sender}\",\"data\":\"{EthereumJson.Data(call.Data)}\","
            + $"\"gas\":\"{EthereumJson.Quantity(call.Gas)}\"}},\"latest\"]";
        JsonRpcReply tried = await AskAsync("eth_call", trial, cancel);
        JsonRpcReply price = await AskAsync("eth_gasPrice", "[]", cancel);
        JsonRpcReply nonce = await AskAsync("eth_getTransactionCount", $"[\"{sender}\",\"pending\"]", cancel);
        if (!tried.IsResult
            || !price.IsResult
            || !nonce.IsResult
            || !EthereumJson.TryReadQuantity(price.Json.Span, out ulong gasPrice)
            || !EthereumJson.TryReadQuantity(nonce.Json.Span, out ulong count))
        {
            return null;
        }

        byte[] transaction = Sign(call, count, gasPrice + (BigInteger)(gasPrice / 10));
        JsonRpcReply sent = await ChainCommands.SendRawAsync(reader, transaction, cancel);
        return sent.IsResult ? Keccak256.Hash(transaction).ToString() : null;
    }

    private ValueTask<JsonRpcReply> AskAsync(string method, string parameters, CancellationToken cancel)
    {
        return reader.CallAsync(method, Encoding.ASCII.GetBytes(parameters), cancel);
    }

    // EIP-155, the oldest form, which every one of these chains takes.
    private byte[] Sign(Call call, ulong nonce, BigInteger gasPrice)
    {
        var writer = new RlpWriter();
        Begin(writer, call, nonce, gasPrice);
        writer.WriteUInt64(reader.Chain.ChainId);
        writer.WriteUInt64(0);
        writer.WriteUInt64(0);
        writer.EndList();
        byte[] signature = key.SignHash(Keccak256.Hash(writer.WrittenSpan)).ToArray();

        Begin(writer, call, nonce, gasPrice);
        writer.WriteUInt64(signature[0] + 35UL + (2 * reader.Chain.ChainId));
        writer.WriteBigInteger(new BigInteger(signature.AsSpan(1, 32), isUnsigned: true, isBigEndian: true));
        writer.WriteBigInteger(new BigInteger(signature.AsSpan(33, 32), isUnsigned: true, isBigEndian: true));
        writer.EndList();
        return writer.ToArray();
    }

    private static void Begin(RlpWriter writer, Call call, ulong nonce, BigInteger gasPrice)
    {
        writer.Reset();
        writer.BeginList();
        writer.WriteUInt64(nonce);
        writer.WriteBigInteger(gasPrice);
        writer.WriteUInt64(call.Gas);
        writer.WriteAddress(call.To);
        writer.WriteUInt64(0);
        writer.WriteBytes(call.Data);
    }

    private static bool TryRead(ReadOnlySpan<byte> request, out Call call)
    {
        call = default;
        return RlpItem.TryDecode(request, out RlpItem? item)
            && item.Items.All(part => !part.IsList)
            && TryRead([.. item.Items.Select(part => part.Bytes.ToArray())], out call)
            && call.Gas <= MostGas;
    }

    private static bool TryRead(byte[][] parts, out Call call)
    {
        call = default;
        if (parts.Length == 4 && parts[0].AsSpan().SequenceEqual("dm0"u8))
        {
            if (!Address.TryRead(parts[1], out Address owner)
                || parts[2].Length != Hash256.Length
                || !Address.TryRead(parts[3], out Address target))
            {
                return false;
            }

            byte[] data = new AbiWriter("Create(address,bytes32,address)")
                .WriteAddress(owner).WriteWord(new Hash256(parts[2])).WriteAddress(target).ToArray();
            call = new Call(DriveFactory, data, DefaultGas + WrappingGas);
            return true;
        }

        if (parts.Length == 10 && parts[0].AsSpan().SequenceEqual("dm1"u8))
        {
            if (!Address.TryRead(parts[1], out _)
                || !Address.TryRead(parts[2], out Address identity)
                || !Address.TryRead(parts[5], out Address destination)
                || !TryNumbers([parts[3], parts[4], parts[7], parts[8], parts[9]], out BigInteger[] n))
            {
                return false;
            }

            byte[] data = new AbiWriter("SubmitMetaTransaction(uint256,uint256,address,bytes,uint8,bytes32,bytes32)")
                .WriteUInt(n[0]).WriteUInt(n[1]).WriteAddress(destination).WriteBytes(parts[6])
                .WriteUInt(n[2]).WriteUInt(n[3]).WriteUInt(n[4]).ToArray();
            call = new Call(identity, data, DefaultGas + WrappingGas);
            return true;
        }

        if (parts.Length != 9
            || !Address.TryRead(parts[0], out Address from)
            || !Address.TryRead(parts[1], out Address to)
            || !TryNumbers([parts[2], parts[4], parts[5], parts[6], parts[7], parts[8]], out BigInteger[] numbers)
            || numbers[1] > MostGas)
        {
            return false;
        }

        byte[] dispatch = new AbiWriter("dispatch(address,address,uint256,bytes,uint64,uint256,uint8,bytes32,bytes32)")
            .WriteAddress(from).WriteAddress(to).WriteUInt(numbers[0]).WriteBytes(parts[3])
            .WriteUInt(numbers[1]).WriteUInt(numbers[2]).WriteUInt(numbers[3]).WriteUInt(numbers[4])
            .WriteUInt(numbers[5]).ToArray();
        call = new Call(CallPermit, dispatch, (ulong)numbers[1] + WrappingGas);
        return true;
    }

    private static bool TryNumbers(byte[][] parts, out BigInteger[] numbers)
    {
        numbers = [.. parts.Select(part => new BigInteger(part, isUnsigned: true, isBigEndian: true))];
        return parts.All(part => part.Length <= Hash256.Length);
    }

    private readonly record struct Call(Address To, byte[] Data, ulong Gas);
}

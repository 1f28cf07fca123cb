using System.Globalization;
using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <content>Accounts and their storage.</content>
internal sealed partial class ChainCommands
{
    // Where contracts of Diode note the block of their last change (diode-contracts §11.1).
    private const string ChangeTracker = "0x1e4717b2dc5dfd7f487f2043bfe9999372d693bf4d9c51b5b84f1377939cd487";

    // A contract that tracks no changes gets a new root this often.
    private const ulong BlocksPerHour = 600;

    private static readonly Address CallPermit = Address.Parse("0x000000000000000000000000000000000000080a");

    private async ValueTask<byte[]> GetAccountAsync(byte[][] arguments, CancellationToken cancel)
    {
        (ulong? known, Address account, byte[]? error) = await ReadTargetAsync(arguments, cancel);
        if (known is not ulong block)
        {
            return error!;
        }

        Task<byte[]?> balance = ReadDataAsync("eth_getBalance", $"\"{account}\"", block, cancel).AsTask();
        Task<byte[]?> nonce = ReadDataAsync("eth_getTransactionCount", $"\"{account}\"", block, cancel).AsTask();
        Task<byte[]?> code = ReadDataAsync("eth_getCode", $"\"{account}\"", block, cancel).AsTask();
        Task<byte[]?> root = FindRootAsync(account, block, cancel).AsTask();
        await Task.WhenAll(balance, nonce, code, root);
        if (await balance is not byte[] wealth
            || await nonce is not byte[] count
            || await code is not byte[] program
            || await root is not byte[] storage)
        {
            return ChainAnswer.Unavailable();
        }

        // Numbers are the bytes of the hex text: a zero is one byte 00 (diode-observed, Sessions).
        return ChainAnswer.Response(writer =>
        {
            writer.BeginList();
            WritePair(writer, "balance"u8, wealth);
            WritePair(writer, "code"u8, Keccak256.Hash(program).ToArray());
            WritePair(writer, "nonce"u8, count);
            WritePair(writer, "storage_root"u8, storage);
            writer.EndList();
        });
    }

    private async ValueTask<byte[]> GetAccountRootAsync(byte[][] arguments, CancellationToken cancel)
    {
        (ulong? known, Address account, byte[]? error) = await ReadTargetAsync(arguments, cancel);
        if (known is not ulong block)
        {
            return error!;
        }

        return await FindRootAsync(account, block, cancel) is byte[] root
            ? ChainAnswer.Response(writer => writer.WriteBytes(root))
            : ChainAnswer.Unavailable();
    }

    private async ValueTask<byte[]> GetValuesAsync(byte[][] arguments, bool isList, CancellationToken cancel)
    {
        (ulong? known, Address account, byte[]? error) = await ReadTargetAsync(arguments, cancel);
        if (known is not ulong block)
        {
            return error!;
        }

        byte[][] keys = arguments[2..];
        if (keys.Any(key => key.Length > Hash256.Length))
        {
            return ChainAnswer.Error("bad input");
        }

        Hash256?[] values = await Task.WhenAll(keys.Select(key => ReadSlotAsync(account, key, block, cancel).AsTask()));
        if (values.Any(value => value is null))
        {
            return ChainAnswer.Unavailable();
        }

        return ChainAnswer.Response(writer =>
        {
            if (!isList)
            {
                writer.WriteHash(values[0]!.Value);
                return;
            }

            writer.BeginList();
            foreach (Hash256? value in values)
            {
                writer.WriteHash(value!.Value);
            }

            writer.EndList();
        });
    }

    private async ValueTask<byte[]> GetMetaNonceAsync(byte[][] arguments, CancellationToken cancel)
    {
        (ulong? known, Address account, byte[]? error) = await ReadTargetAsync(arguments, cancel);
        if (known is not ulong block)
        {
            return error!;
        }

        byte[] call = new AbiWriter("nonces(address)").WriteAddress(account).ToArray();
        if (await reader.EthCallAsync(CallPermit, call, block, cancel) is not byte[] result)
        {
            return ChainAnswer.Unavailable();
        }

        // Where there is no such contract the answer is empty, which is the number zero.
        ReadOnlyMemory<byte> nonce = result.Length <= Hash256.Length ? result : result.AsMemory(0, Hash256.Length);
        return ChainAnswer.Response(
            writer => writer.WriteBigInteger(new BigInteger(nonce.Span, isUnsigned: true, isBigEndian: true)));
    }

    private async ValueTask<(ulong? Block, Address Account, byte[]? Error)> ReadTargetAsync(
        byte[][] arguments, CancellationToken cancel)
    {
        if (!Address.TryRead(arguments[1], out Address account))
        {
            return (null, default, ChainAnswer.Error("bad input"));
        }

        (ulong? block, byte[]? error) = await ResolveBlockAsync(arguments[0], cancel);
        return (block, account, error);
    }

    // Other chains have no storage root that could be read: real relays make one up from the block of the last change,
    // and clients compare it with what they were told before. So it has to be the same at all relays.
    private async ValueTask<byte[]?> FindRootAsync(Address account, ulong block, CancellationToken cancel)
    {
        if (reader.Chain.IsDiode)
        {
            return await FindDiodeRootAsync(account, block, cancel);
        }

        byte[]? code = await ReadDataAsync("eth_getCode", $"\"{account}\"", block, cancel);
        if (code is null || code.Length == 0)
        {
            return code;
        }

        ulong change = block;
        if (account != CallPermit)
        {
            ulong even = block / 2 * 2;
            byte[]? tracked = await ReadDataAsync("eth_getStorageAt", $"\"{account}\",\"{ChangeTracker}\"", even, cancel);
            if (tracked is null)
            {
                return null;
            }

            ulong hour = even - (even % BlocksPerHour);
            ulong noted = RlpEncoding.TryReadInteger(tracked.AsSpan().TrimStart((byte)0), out ulong number)
                ? number
                : ulong.MaxValue;
            change = noted == 0 ? hour : Math.Max(Math.Min(noted, even), hour);
        }

        string text = account + change.ToString(CultureInfo.InvariantCulture);
        return Keccak256.Hash(Encoding.ASCII.GetBytes(text)).ToArray();
    }

    private async ValueTask<byte[]?> FindDiodeRootAsync(Address account, ulong block, CancellationToken cancel)
    {
        var command = new RlpWriter();
        command.BeginList();
        command.WriteBytes("getaccount"u8);
        command.WriteUInt64(block);
        command.WriteAddress(account);
        command.EndList();
        if (await AskDiodeAsync(command.ToArray(), block, cancel) is not byte[] answer
            || !RlpItem.TryDecode(answer, out RlpItem? item)
            || item.Items.Count < 2)
        {
            return null;
        }

        if (item.Items[0].Bytes.Span.SequenceEqual("error"u8))
        {
            return [];
        }

        return item.Items[1].Items
            .FirstOrDefault(pair => pair.Items.Count == 2 && pair.Items[0].Bytes.Span.SequenceEqual("storage_root"u8))
            ?.Items[1].Bytes.ToArray();
    }

    private async ValueTask<Hash256?> ReadSlotAsync(
        Address account, byte[] key, ulong block, CancellationToken cancel)
    {
        byte[] slot = new byte[Hash256.Length];
        key.CopyTo(slot, slot.Length - key.Length);
        byte[]? value = await ReadDataAsync("eth_getStorageAt", $"\"{account}\",{Quote(slot)}", block, cancel);
        if (value is null || value.Length > Hash256.Length)
        {
            return null;
        }

        byte[] word = new byte[Hash256.Length];
        value.CopyTo(word, word.Length - value.Length);
        return new Hash256(word);
    }

    private async ValueTask<byte[]?> ReadDataAsync(
        string method, string firstParameters, ulong block, CancellationToken cancel)
    {
        byte[] parameters = Encoding.ASCII.GetBytes($"[{firstParameters},\"{EthereumJson.Quantity(block)}\"]");
        JsonRpcReply reply = await reader.ReadAsync(method, parameters, block, cancel);
        return reply.IsResult && EthereumJson.TryReadData(reply.Json.Span, out byte[]? data) ? data : null;
    }

    private static void WritePair(RlpWriter writer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        writer.BeginList();
        writer.WriteBytes(key);
        writer.WriteBytes(value);
        writer.EndList();
    }
}

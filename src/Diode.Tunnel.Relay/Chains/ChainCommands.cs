using System.Text;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>The chain-prefixed commands of one chain (diode-edge §3.5). Arguments are the client's: nothing throws.</summary>
/// <param name="reader">The chain.</param>
/// <param name="meta">Pays for meta transactions; null when this relay does not.</param>
internal sealed partial class ChainCommands(ChainReader reader, MetaTransactions? meta)
{
    private const int MostArguments = 256;

    private static readonly HashSet<string> Names = new(StringComparer.Ordinal)
    {
        "getblockpeak", "getblockheader", "getblockheader2", "getblockheader3", "getblock", "getblockquick",
        "getblockquick2", "getstateroots", "getaccount", "getaccountroot", "getaccountroots", "getaccountvalue",
        "getaccountvalues", "sendtransaction", "getmetanonce", "sendmetatransaction", "rpc",
    };

    private long _lastRpcId;

    /// <summary>Methods that <c>rpc</c> executes here; set once before the first command.</summary>
    public ILocalMethods? Local { get; set; }

    public ChainReader Reader => reader;

    /// <summary>Whether an encoded command has a name that chains have.</summary>
    public static bool IsKnown(ReadOnlySpan<byte> command)
    {
        return RlpReader.TryReadSingleList(command, out RlpReader items)
            && items.TryReadBytes(out ReadOnlySpan<byte> name)
            && Names.Contains(Encoding.ASCII.GetString(name));
    }

    /// <summary>Executes a command.</summary>
    /// <param name="command">The encoded list, the command without prefix.</param>
    /// <param name="cancel">The asker is gone.</param>
    /// <returns>The encoded answer.</returns>
    public async ValueTask<byte[]> HandleAsync(ReadOnlyMemory<byte> command, CancellationToken cancel)
    {
        if (!TrySplit(command.Span, out byte[][] items))
        {
            return ChainAnswer.Error("bad input");
        }

        byte[][] arguments = items[1..];
        return (Encoding.ASCII.GetString(items[0]), arguments.Length) switch
        {
            ("getblockpeak", 0) => await GetPeakAsync(cancel),
            ("getblockheader", 1) => await GetHeaderAsync(arguments[0], cancel),
            ("getblockheader2", 1) => await GetSignedHeaderAsync(arguments[0], cancel),
            ("getblockheader3", _) => await GetSignedHeadersAsync(arguments, cancel),
            ("getblock", 1) or ("getblockquick", 2) or ("getblockquick2", 2) or ("getstateroots", 1)
                or ("getaccountroots", 2) => ChainAnswer.Error("not implemented"),
            ("getaccount", 2) => await GetAccountAsync(arguments, cancel),
            ("getaccountroot", 2) => await GetAccountRootAsync(arguments, cancel),
            ("getaccountvalue", 3) => await GetValuesAsync(arguments, isList: false, cancel),
            ("getaccountvalues", >= 2) => await GetValuesAsync(arguments, isList: true, cancel),
            ("sendtransaction", 1) => await SendTransactionAsync(arguments[0], cancel),
            ("getmetanonce", 2) => await GetMetaNonceAsync(arguments, cancel),
            ("sendmetatransaction", 1) => await SendMetaTransactionAsync(arguments[0], cancel),
            ("rpc", 2) => await RpcAsync(arguments, cancel),
            _ => ChainAnswer.Error("bad input"),
        };
    }

    private async ValueTask<byte[]> GetPeakAsync(CancellationToken cancel)
    {
        return await reader.GetPeakAsync(cancel) is ChainBlock peak
            ? ChainAnswer.Response(writer => writer.WriteUInt64(peak.Number))
            : ChainAnswer.Unavailable();
    }

    private async ValueTask<byte[]> GetHeaderAsync(byte[] number, CancellationToken cancel)
    {
        (ChainBlock? block, byte[]? error) = await FindBlockAsync(number, cancel);
        return block is null
            ? error!
            : ChainAnswer.Response(writer => BlockHeaderPairs.Write(writer, block, withMiner: true));
    }

    private async ValueTask<byte[]> GetSignedHeaderAsync(byte[] number, CancellationToken cancel)
    {
        (ChainBlock? block, byte[]? error) = await FindBlockAsync(number, cancel);
        if (block is null)
        {
            return error!;
        }

        return TryGetMiner(block, out byte[] miner, out error)
            ? ChainAnswer.Response(writer =>
            {
                BlockHeaderPairs.Write(writer, block, withMiner: false);
                writer.WriteBytes(miner);
            })
            : error;
    }

    private async ValueTask<byte[]> GetSignedHeadersAsync(byte[][] numbers, CancellationToken cancel)
    {
        // One after the other would take as many round trips as there are numbers.
        (ChainBlock? Block, byte[]? Error)[] found =
            await Task.WhenAll(numbers.Select(number => FindBlockAsync(number, cancel).AsTask()));
        var headers = new List<(ChainBlock Block, byte[] Miner)>(found.Length);
        foreach ((ChainBlock? block, byte[]? error) in found)
        {
            if (block is null)
            {
                return error!;
            }

            if (!TryGetMiner(block, out byte[] miner, out byte[] fault))
            {
                return fault;
            }

            headers.Add((block, miner));
        }

        return ChainAnswer.Response(writer =>
        {
            writer.BeginList();
            foreach ((ChainBlock block, byte[] miner) in headers)
            {
                writer.BeginList();
                BlockHeaderPairs.Write(writer, block, withMiner: false);
                writer.WriteBytes(miner);
                writer.EndList();
            }

            writer.EndList();
        });
    }

    // Real relays end the connection where the chain does not sign its blocks.
    private static bool TryGetMiner(ChainBlock block, out byte[] miner, out byte[] error)
    {
        error = [];
        miner = [];
        if (block.MinerSignature.IsEmpty)
        {
            error = ChainAnswer.Error("no miner signature");
            return false;
        }

        if (!BlockHeaderPairs.TryRecoverMiner(block, out byte[]? key))
        {
            error = ChainAnswer.Error("invalid miner");
            return false;
        }

        miner = key;
        return true;
    }

    private async ValueTask<(ChainBlock? Block, byte[]? Error)> FindBlockAsync(byte[] number, CancellationToken cancel)
    {
        // "latest" is read as a huge number here, as real relays do.
        (ulong? known, byte[]? error) = await ResolveNumberAsync(number, cancel);
        if (known is not ulong wanted)
        {
            return (null, error);
        }

        ChainBlock? block = await reader.GetBlockAsync(wanted, cancel);
        return (block, block is null ? ChainAnswer.Unavailable() : null);
    }

    private async ValueTask<(ulong? Number, byte[]? Error)> ResolveNumberAsync(byte[] bytes, CancellationToken cancel)
    {
        bool fits = RlpEncoding.TryReadInteger(bytes.AsSpan().TrimStart((byte)0), out ulong number);
        ChainBlock? peak = await reader.GetPeakForAsync(fits ? number : ulong.MaxValue, cancel);
        if (peak is null)
        {
            return (null, ChainAnswer.Unavailable());
        }

        return fits && number <= peak.Number
            ? (number, null)
            : (null, ChainAnswer.Error("block not found"));
    }

    // latest | earliest | number
    private async ValueTask<(ulong? Number, byte[]? Error)> ResolveBlockAsync(byte[] reference, CancellationToken cancel)
    {
        if (reference.AsSpan().SequenceEqual("latest"u8))
        {
            ChainBlock? peak = await reader.GetPeakAsync(cancel);
            return (peak?.Number, peak is null ? ChainAnswer.Unavailable() : null);
        }

        // Real relays end the connection at "earliest".
        return reference.AsSpan().SequenceEqual("earliest"u8)
            ? (0, null)
            : await ResolveNumberAsync(reference, cancel);
    }

    private static bool TrySplit(ReadOnlySpan<byte> command, out byte[][] items)
    {
        items = [];
        if (!RlpReader.TryReadSingleList(command, out RlpReader list))
        {
            return false;
        }

        var found = new List<byte[]>();
        while (!list.IsEmpty)
        {
            if (found.Count > MostArguments || !list.TryReadBytes(out ReadOnlySpan<byte> item))
            {
                return false;
            }

            found.Add(item.ToArray());
        }

        items = [.. found];
        return items.Length > 0;
    }

    private static string Quote(ReadOnlySpan<byte> data) => $"\"{EthereumJson.Data(data)}\"";
}

using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.JsonRpc;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>All chains of a relay. See <see cref="IChainGateway"/>.</summary>
internal sealed class ChainGateway : IChainGateway, IDisposable
{
    /// <summary>Memory for answers, per chain.</summary>
    public const long CacheBytes = 16 << 20;

    private static readonly byte[] NotAvailable = ChainAnswer.Error("chain not available");

    private static readonly byte[] BadInput = ChainAnswer.Error("bad input");

    private readonly RelayCounters _counters;
    private readonly Dictionary<string, ChainCommands> _chains = new(StringComparer.Ordinal);
    private readonly List<IDisposable> _owned = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _following = Task.CompletedTask;

    public ChainGateway(
        IReadOnlyList<ChainSource> chains, RelayCounters counters, TimeProvider time, ILogger logger)
    {
        _counters = counters;
        foreach (ChainSource source in chains)
        {
            var events = new ChainEvents(source.Chain, counters, logger, time);
            var client = new JsonRpcClient(source.ExpectedChainId, source.Endpoints, events);
            var reader = new ChainReader(
                source.Chain, client, new ChainCache(CacheBytes), counters, time, logger);
            _owned.Add(reader);
            _owned.AddRange(source.Endpoints.OfType<IDisposable>());
            MetaTransactions? meta = source.MetaKey is null ? null : new MetaTransactions(reader, source.MetaKey);
            if (meta is not null)
            {
                _owned.Add(meta);
            }

            _chains[source.Chain.Prefix] = new ChainCommands(reader, meta);
        }
    }

    /// <summary>The chains that are configured.</summary>
    public IEnumerable<ChainReader> Readers => _chains.Values.Select(commands => commands.Reader);

    /// <summary>Gives <c>rpc</c> the methods of this relay.</summary>
    public void UseLocalMethods(ILocalMethods local)
    {
        foreach (ChainCommands commands in _chains.Values)
        {
            commands.Local = local;
        }
    }

    /// <summary>Begins to follow the chains.</summary>
    public void Start()
    {
        _following = Task.WhenAll(Readers.Select(reader => Task.Run(() => reader.FollowAsync(_stop.Token))));
    }

    /// <summary>Stops following.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _following;
    }

    /// <summary>The chain with an id, when it is configured.</summary>
    public ChainReader? Find(ulong chainId)
    {
        foreach (ChainCommands commands in _chains.Values)
        {
            if (commands.Reader.Chain.ChainId == chainId)
            {
                return commands.Reader;
            }
        }

        return null;
    }

    /// <summary>The chain with a prefix, when it is configured.</summary>
    public ChainReader? Find(string prefix) => _chains.GetValueOrDefault(prefix)?.Reader;

    /// <inheritdoc/>
    public bool IsActive(ReadOnlySpan<byte> prefix)
    {
        if (prefix.IsEmpty)
        {
            return true;
        }

        const int longest = 16;
        if (prefix.Length > longest)
        {
            return false;
        }

        string name = Encoding.ASCII.GetString(prefix);
        return _chains.ContainsKey(name) || ChainDefinition.Find(name) is { AlwaysActive: true };
    }

    /// <inheritdoc/>
    public bool IsReadable(ulong chainId) => Find(chainId) is { IsReadable: true };

    /// <inheritdoc/>
    public async ValueTask<byte[]> HandleCommandAsync(
        string prefix, ReadOnlyMemory<byte> command, CancellationToken cancel)
    {
        _counters.ChainCommand();
        if (!_chains.TryGetValue(prefix.Length == 0 ? "diode" : prefix, out ChainCommands? commands))
        {
            return ChainCommands.IsKnown(command.Span) ? NotAvailable : BadInput;
        }

        return prefix.Length == 0
            ? await commands.HandlePlainAsync(command, cancel)
            : await commands.HandleAsync(command, cancel);
    }

    /// <inheritdoc/>
    public bool TryGetPeak(ulong chainId, out ChainPeak peak)
    {
        peak = default;
        return Find(chainId)?.TryGetPeak(out peak) ?? false;
    }

    /// <inheritdoc/>
    public bool TryGetBlockHash(ulong chainId, ulong number, out Hash256 hash)
    {
        hash = default;
        return Find(chainId)?.TryGetCachedHash(number, out hash) ?? false;
    }

    /// <inheritdoc/>
    public async ValueTask<Hash256?> GetBlockHashAsync(ulong chainId, ulong number, CancellationToken cancel)
    {
        return Find(chainId) is ChainReader reader && await reader.GetBlockAsync(number, cancel) is ChainBlock block
            ? block.Hash
            : null;
    }

    /// <inheritdoc/>
    public async ValueTask<byte[]?> EthCallAsync(
        ulong chainId, Address to, ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        return Find(chainId) is ChainReader reader && await reader.GetPeakAsync(cancel) is ChainBlock peak
            ? await reader.EthCallAsync(to, data, peak.Number, cancel)
            : null;
    }

    /// <inheritdoc/>
    public async ValueTask<FleetStanding> CheckFleetAsync(ulong chainId, Address fleet, CancellationToken cancel)
    {
        if (Find(chainId) is not ChainReader reader || await reader.GetPeakAsync(cancel) is not ChainBlock peak)
        {
            return FleetStanding.Unknown;
        }

        byte[] parameters = Encoding.ASCII.GetBytes($"[\"{fleet}\",\"{EthereumJson.Quantity(peak.Number)}\"]");
        JsonRpcReply code = await reader.ReadAsync("eth_getCode", parameters, peak.Number, cancel);
        if (!code.IsResult || !EthereumJson.TryReadData(code.Json.Span, out byte[]? program))
        {
            return FleetStanding.Unknown;
        }

        if (program.Length == 0)
        {
            return FleetStanding.NotAContract;
        }

        // On the Diode L1 the code is all that is looked at.
        if (reader.Chain.IsDiode || reader.Chain.Registry is not Address registry)
        {
            return FleetStanding.Registered;
        }

        byte[] call = new AbiWriter("GetFleet(address)").WriteAddress(fleet).ToArray();
        if (await reader.EthCallAsync(registry, call, peak.Number, cancel) is not byte[] result)
        {
            return FleetStanding.Unknown;
        }

        var values = new AbiReader(result);
        return !values.TryReadBool(out bool exists) ? FleetStanding.Unknown
            : exists ? FleetStanding.Registered
            : FleetStanding.NotRegistered;
    }

    /// <inheritdoc/>
    public async ValueTask<bool?> IsDeviceAllowedAsync(
        ulong chainId, Address fleet, Address device, CancellationToken cancel)
    {
        byte[] call = new AbiWriter("DeviceAllowlist(address)").WriteAddress(device).ToArray();
        if (await EthCallAsync(chainId, fleet, call, cancel) is not byte[] result)
        {
            return null;
        }

        var values = new AbiReader(result);
        return values.TryReadBool(out bool allowed) ? allowed : null;
    }

    /// <inheritdoc/>
    public bool CanSubscribe(string prefix) => _chains.ContainsKey(prefix.Length == 0 ? "diode" : prefix);

    /// <inheritdoc/>
    public IDisposable? Subscribe(string prefix, IChainSubscriber subscriber)
    {
        return _chains.TryGetValue(prefix.Length == 0 ? "diode" : prefix, out ChainCommands? commands)
            ? commands.Reader.Subscribe(subscriber)
            : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }

        _stop.Dispose();
    }
}

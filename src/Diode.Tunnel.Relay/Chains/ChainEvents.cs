using System.Collections.Concurrent;
using Diode.Tunnel.Ethereum.JsonRpc;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>Logs and counts what endpoints do; an endpoint that keeps failing is named once a minute.</summary>
internal sealed class ChainEvents(ChainDefinition chain, RelayCounters counters, ILogger logger, TimeProvider time)
    : IJsonRpcEvents
{
    private static readonly TimeSpan Quiet = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, long> _lastFailure = new();

    /// <inheritdoc/>
    public void OnVerified(string endpoint)
    {
        ChainLog.Verified(logger, chain.Prefix, chain.ChainId, endpoint);
    }

    /// <inheritdoc/>
    public void OnRefused(string endpoint, ulong chainId)
    {
        ChainLog.Refused(logger, endpoint, chain.Prefix, chainId, chain.ChainId);
    }

    /// <inheritdoc/>
    public void OnFailed(string endpoint, string reason)
    {
        counters.ChainFailure();
        long now = time.GetTimestamp();
        long last = _lastFailure.GetOrAdd(endpoint, long.MinValue);
        if ((last == long.MinValue || time.GetElapsedTime(last, now) >= Quiet)
            && _lastFailure.TryUpdate(endpoint, now, last))
        {
            ChainLog.Failed(logger, chain.Prefix, endpoint, reason);
        }
    }
}

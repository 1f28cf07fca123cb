using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay;

/// <content>The chains the relay reads.</content>
public sealed partial class RelayNode
{
    private readonly ChainGateway _chains;

    private ChainGateway CreateChains(RelayOptions options, RelayCounters counters)
    {
        return new ChainGateway(
            [.. options.Chains.Select(chain => ChainSource.FromOptions(chain, options.PaysMetaTransactions ? _key : null))],
            counters,
            _time,
            _logger);
    }

    // Nothing is made up in place of a chain: plain clients would sign what it says.
    private void HintChains()
    {
        if (_chains.Find("glmr") is null)
        {
            Log.NoMoonbeam(_logger);
        }

        if (_chains.Find("diode") is null)
        {
            Log.NoDiodeChain(_logger);
        }
    }
}

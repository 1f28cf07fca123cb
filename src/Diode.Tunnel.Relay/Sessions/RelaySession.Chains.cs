using System.Text;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>What the chains answer.</content>
internal sealed partial class RelaySession : IChainSubscriber
{
    private readonly Lock _chainGate = new();
    private Dictionary<string, IDisposable>? _subscriptions;

    /// <inheritdoc/>
    public bool IsChainPrefix(ReadOnlySpan<byte> prefix)
    {
        return _core.Chains?.IsActive(prefix)
            ?? ChainDefinition.Find(Encoding.ASCII.GetString(prefix)) is { AlwaysActive: true };
    }

    /// <inheritdoc/>
    public void OnChainCommand(in RequestId id, ReadOnlySpan<byte> prefix, ReadOnlyMemory<byte> command, long nowMs)
    {
        if (_core.Chains is not IChainGateway chains)
        {
            Edge.ReplyError(id, ChainCommands.IsKnown(command.Span) ? "chain not available"u8 : "bad input"u8);
            return;
        }

        string name = Encoding.ASCII.GetString(prefix);
        RequestId asked = id;
        AnswerLater(
            asked,
            async gone => Edge.ReplyAnswer(asked, await chains.HandleCommandAsync(name, command, gone)));
    }

    /// <inheritdoc/>
    public void OnSubscribe(in RequestId id, ReadOnlySpan<byte> prefix)
    {
        string name = Encoding.ASCII.GetString(prefix);
        if (_core.Chains is not IChainGateway chains || !chains.CanSubscribe(name))
        {
            Edge.ReplyError(id, "invalid chain"u8);
            return;
        }

        // The newest block follows the reply.
        Edge.ReplyOk(id);
        lock (_chainGate)
        {
            if (IsClosed || _subscriptions?.ContainsKey(name) == true)
            {
                return;
            }

            (_subscriptions ??= [])[name] = chains.Subscribe(name, this)!;
        }
    }

    /// <inheritdoc/>
    public void OnBlock(ulong chainId, ReadOnlySpan<byte> headerPairs)
    {
        if (!IsClosed)
        {
            Edge.SendBlockHeader(chainId, headerPairs);
        }
    }

    private void LeaveChains()
    {
        lock (_chainGate)
        {
            foreach (IDisposable subscription in _subscriptions?.Values ?? Enumerable.Empty<IDisposable>())
            {
                subscription.Dispose();
            }

            _subscriptions = null;
        }
    }
}

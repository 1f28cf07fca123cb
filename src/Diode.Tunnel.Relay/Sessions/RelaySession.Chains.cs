using System.Text;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>What the chains answer: later, and never more of it at once than a session may ask for.</content>
internal sealed partial class RelaySession : IChainSubscriber
{
    private const int MaxChainRequests = 32;

    private readonly Lock _chainGate = new();
    private Dictionary<string, IDisposable>? _subscriptions;
    private CancellationTokenSource? _chainStop;
    private int _chainRequests;

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

        if (Interlocked.Increment(ref _chainRequests) > MaxChainRequests)
        {
            Interlocked.Decrement(ref _chainRequests);
            _core.Counters.ChainCommandRefused();
            Edge.ReplyError(id, "too many requests"u8);
            return;
        }

        _ = AnswerAsync(chains, id, Encoding.ASCII.GetString(prefix), command, GetChainStop());
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

    private async Task AnswerAsync(
        IChainGateway chains, RequestId id, string prefix, ReadOnlyMemory<byte> command, CancellationToken cancel)
    {
        try
        {
            byte[] answer = await chains.HandleCommandAsync(prefix, command, cancel);
            Edge.ReplyAnswer(id, answer);
        }
        catch (OperationCanceledException)
        {
            // The session is gone.
        }
        finally
        {
            Interlocked.Decrement(ref _chainRequests);
        }
    }

    private CancellationToken GetChainStop()
    {
        lock (_chainGate)
        {
            return IsClosed ? new CancellationToken(canceled: true) : (_chainStop ??= new CancellationTokenSource()).Token;
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
            _chainStop?.Cancel();
            _chainStop?.Dispose();
            _chainStop = null;
        }
    }
}

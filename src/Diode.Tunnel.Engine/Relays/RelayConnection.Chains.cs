using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Relays;

/// <content>Chains read through the relay (diode-edge §3.5). What comes back is the relay's word: texts of up to one frame.</content>
internal sealed partial class RelayConnection : IChainRelay
{
    private readonly Dictionary<uint, Action<string?, byte[]?>> _chainCalls = [];

    /// <inheritdoc/>
    public Address Relay => Uri.Address;

    /// <inheritdoc/>
    public bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done)
    {
        lock (_gate)
        {
            uint id = IsReady ? _session.Rpc(prefix, method, parameters) : 0;
            if (id == 0)
            {
                return false;
            }

            _chainCalls[id] = done;
        }

        Flush();
        return true;
    }

    private bool TryAnswerChainCall(uint requestId, in EdgeReply reply)
    {
        if (!_chainCalls.Remove(requestId, out Action<string?, byte[]?>? done))
        {
            return false;
        }

        RlpReader values = reply.Values;
        byte[]? json = !reply.IsError && values.TryReadBytes(out ReadOnlySpan<byte> text) ? text.ToArray() : null;
        string? problem = reply.IsError ? reply.GetErrorMessage() : json is null ? "the relay's answer is unreadable" : null;
        _callbacks.Add(() => done(problem, json));
        return true;
    }

    private void FailChainCallsLocked(List<Action> unanswered)
    {
        foreach (Action<string?, byte[]?> done in _chainCalls.Values)
        {
            unanswered.Add(() => done("the relay session ended", null));
        }

        _chainCalls.Clear();
    }
}

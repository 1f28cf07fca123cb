using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Relays;

/// <content>Chains read through the relay (diode-edge §3.5). What comes back is the relay's word: texts of up to one frame.</content>
internal sealed partial class RelayConnection : IChainRelay
{
    private readonly Dictionary<uint, Action<string?, byte[]?>> _chainCalls = [];
    private readonly Dictionary<ulong, Action<ulong?>> _blockReaders = [];

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

    /// <inheritdoc/>
    public bool SubscribeBlocks(string prefix, ulong chainId, Action<ulong?> block)
    {
        lock (_gate)
        {
            if (!IsReady || _session.Subscribe(prefix) == 0)
            {
                return false;
            }

            // Whether the relay agrees does not matter: if it doesn't, no block ever comes and it goes on being asked.
            _blockReaders[chainId] = block;
        }

        Flush();
        return true;
    }

    void IEdgeClientEvents.OnBlockHeader(ulong chainId, ReadOnlySpan<byte> header)
    {
        if (_blockReaders.TryGetValue(chainId, out Action<ulong?>? block) && TryReadNumber(header, out ulong number))
        {
            _callbacks.Add(() => block(number));
        }
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> header, out ulong number)
    {
        number = 0;
        if (!RlpReader.TryReadSingleList(header, out RlpReader pairs))
        {
            return false;
        }

        while (pairs.TryReadList(out RlpReader pair))
        {
            if (pair.TryReadBytes(out ReadOnlySpan<byte> key) && key.SequenceEqual("number"u8))
            {
                return pair.TryReadUInt64(out number);
            }
        }

        return false;
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

        foreach (Action<ulong?> block in _blockReaders.Values)
        {
            unanswered.Add(() => block(null));
        }

        _chainCalls.Clear();
        _blockReaders.Clear();
    }
}

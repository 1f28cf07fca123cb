using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Relays;

/// <content>Chains read through the relay (diode-edge §3.4, §3.5, §3.13). What comes back is the relay's word, up to one frame of it.</content>
internal sealed partial class RelayConnection : IChainRelay
{
    // By request: which value of the answer is wanted (null: all of them, encoded), and by whom.
    private readonly Dictionary<uint, (int? Index, Action<string?, byte[]?> Done)> _chainCalls = [];
    private readonly Dictionary<ulong, Action<ulong?>> _blockReaders = [];

    /// <inheritdoc/>
    public Address Relay => Uri.Address;

    /// <inheritdoc/>
    public bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done) =>
        Ask(() => _session.Rpc(prefix, method, parameters), 0, done);

    /// <inheritdoc/>
    public bool SendMetaTransaction(string prefix, byte[] request, Action<string?, byte[]?> done) =>
        Ask(() => _session.RequestChain(prefix, "sendmetatransaction", rlp => rlp.WriteBytes(request)), 1, done);

    /// <inheritdoc/>
    public bool CallDiode(string command, Action<RlpWriter> arguments, Action<string?, byte[]?> done) =>
        Ask(() => _session.RequestChain("", command, arguments), null, done);

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

    private bool Ask(Func<uint> send, int? index, Action<string?, byte[]?> done)
    {
        lock (_gate)
        {
            uint id = IsReady ? send() : 0;
            if (id == 0)
            {
                return false;
            }

            _chainCalls[id] = (index, done);
        }

        Flush();
        return true;
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
        if (!_chainCalls.Remove(requestId, out (int? Index, Action<string?, byte[]?> Done) call))
        {
            return false;
        }

        RlpReader values = reply.Values;
        byte[]? answer = reply.IsError || call.Index is not null ? null : values.Remaining.ToArray();
        for (int i = 0; !reply.IsError && i <= call.Index; i++)
        {
            answer = values.TryReadBytes(out ReadOnlySpan<byte> value) ? value.ToArray() : null;
        }

        string? problem = reply.IsError ? reply.GetErrorMessage() : answer is null ? "the relay's answer is unreadable" : null;
        _callbacks.Add(() => call.Done(problem, answer));
        return true;
    }

    private void FailChainCallsLocked(List<Action> unanswered)
    {
        foreach ((_, Action<string?, byte[]?> done) in _chainCalls.Values)
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

using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>Commands that are answered by a chain (diode-edge §3.4, §3.5, §3.13).</content>
public sealed partial class EdgeServerSession
{
    /// <summary>Answers with a whole encoded list, <c>["response", …]</c> or <c>["error", …]</c>.</summary>
    public void ReplyAnswer(in RequestId id, ReadOnlySpan<byte> answer)
    {
        RlpWriter writer = _writer ??= new RlpWriter(1024);
        writer.Reset();
        writer.BeginList();
        id.WriteTo(writer);
        writer.WriteRaw(answer);
        writer.EndList();
        if (writer.Length > MaxPayload)
        {
            ReplyError(id, "answer too long"u8);
            return;
        }

        Send(writer.WrittenSpan);
    }

    /// <summary>Tells the peer about a block of a chain it subscribed to.</summary>
    public void SendBlockHeader(ulong chainId, ReadOnlySpan<byte> headerPairs)
    {
        RlpWriter writer = BeginRequest("blockheader"u8);
        writer.WriteUInt64(chainId);
        writer.WriteRaw(headerPairs);
        EndAndSend(writer);
    }

    private bool HandlePrefixed(
        in RequestId id, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> method, RlpReader arguments, long nowMs)
    {
        if (method.SequenceEqual("subscribe"u8))
        {
            return HandleSubscribe(id, prefix, arguments);
        }

        return _handler.IsChainPrefix(prefix)
            && (HandleShared(id, method, arguments, nowMs)
                || HandleChainCommand(id, prefix, method, arguments, nowMs));
    }

    private bool HandleSubscribe(in RequestId id, ReadOnlySpan<byte> prefix, RlpReader arguments)
    {
        if (!arguments.IsEmpty)
        {
            return false;
        }

        _handler.OnSubscribe(id, prefix);
        return true;
    }

    private bool HandleChainCommand(
        in RequestId id, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> method, RlpReader arguments, long nowMs)
    {
        RlpWriter writer = _writer ??= new RlpWriter(1024);
        writer.Reset();
        writer.BeginList();
        writer.WriteBytes(method);
        writer.WriteRaw(arguments.Remaining);
        writer.EndList();
        _handler.OnChainCommand(id, prefix, writer.ToArray(), nowMs);
        return true;
    }

    // Without prefix these go to the Diode L1; getblockheader3 is not among them.
    private static bool IsDiodeCommand(ReadOnlySpan<byte> method)
    {
        return method.SequenceEqual("getblock"u8)
            || method.SequenceEqual("getblockpeak"u8)
            || method.SequenceEqual("getblockheader"u8)
            || method.SequenceEqual("getblockheader2"u8)
            || method.SequenceEqual("getblockquick"u8)
            || method.SequenceEqual("getblockquick2"u8)
            || method.SequenceEqual("getstateroots"u8)
            || method.SequenceEqual("getaccount"u8)
            || method.SequenceEqual("getaccountroot"u8)
            || method.SequenceEqual("getaccountroots"u8)
            || method.SequenceEqual("getaccountvalue"u8)
            || method.SequenceEqual("getaccountvalues"u8)
            || method.SequenceEqual("sendtransaction"u8)
            || method.SequenceEqual("rpc"u8);
    }
}

using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Channels;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Messages and channels (diode-edge §3.11, §3.12).</content>
internal sealed partial class RelaySession
{
    /// <inheritdoc/>
    public void OnMessage(
        ReadOnlySpan<byte> device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata, long nowMs)
    {
        // Whatever becomes of a message, the sender hears nothing.
        if (!Address.TryRead(device, out Address address)
            || address == Device
            || !_budget.TryTakeMessage(nowMs)
            || (!_core.DeliverMessage(address, payload, metadata)
                && _core.Network?.TryForwardMessage(address, payload, metadata) is not true))
        {
            _core.Counters.MessageDropped();
        }
    }

    /// <inheritdoc/>
    public void OnChannel(in RequestId id, in ChannelSubmission channel, long nowMs)
    {
        if (!_budget.TryTakeChannel(nowMs))
        {
            _core.Counters.ChannelRefused();
            Edge.ReplyError(id, "too many channels"u8);
            return;
        }

        var request = new ChannelRequest(channel, Device);
        RequestId reply = id;
        AnswerLater(id, async cancel =>
        {
            ChannelVerdict verdict = await _core.Channels.JudgeAsync(request, _core, nowMs, cancel);
            if (verdict.Object is byte[] found)
            {
                Edge.ReplyEncoded(reply, found);
            }
            else
            {
                _core.Counters.ChannelRefused();
                Edge.ReplyError(reply, verdict.Error);
            }
        });
    }
}

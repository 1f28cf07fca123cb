using System.Text;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Ways out of the relay into the internet (diode-edge §3.10).</content>
internal sealed partial class RelaySession
{
    /// <inheritdoc/>
    public void OnTurnOpen(in RequestId id)
    {
        if (!_core.Turn.Enabled)
        {
            Edge.ReplyError(id, 503, "turn not enabled"u8);
        }
        else if (_core.Turn.OpenCredential(Device) is TurnCredential credential)
        {
            Edge.ReplyText(id, credential.ToJson());
        }
        else
        {
            Edge.ReplyError(id, 500, "turn error"u8);
        }
    }

    /// <inheritdoc/>
    public void OnWireGuardOpen(in RequestId id, ReadOnlySpan<byte> key)
    {
        if (_core.WireGuard.Open(Device, key, out WireGuardOpenError error) is WireGuardSessionInfo session)
        {
            Edge.ReplyText(id, session.ToJson());
        }
        else
        {
            Edge.ReplyError(id, error.Code(), Encoding.ASCII.GetBytes(error.Text()));
        }
    }

    /// <inheritdoc/>
    public void OnWireGuardClose(in RequestId id)
    {
        if (!_core.WireGuard.Enabled)
        {
            Edge.ReplyError(id, WireGuardOpenError.NotEnabled.Code(), "wireguard not enabled"u8);
            return;
        }

        _core.WireGuard.Close(Device);
        Edge.ReplyOk(id);
    }
}
